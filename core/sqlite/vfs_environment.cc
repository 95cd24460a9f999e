#include "core/sqlite/vfs_environment.h"

#include <sqlite3.h>

#include <cstring>
#include <initializer_list>

#include "core/base/check.h"

namespace livestore {
namespace {

struct ProcessState {
  VfsEnvironment environment;
  uint64_t fallback_random = 0;
  bool started = false;
};

ProcessState& Process() {
  static ProcessState state;
  return state;
}

// SplitMix64: full period, passes the usual tests, four lines.
uint64_t NextFallbackRandom() {
  uint64_t z = Process().fallback_random += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int NoOpen(sqlite3_vfs* /*vfs*/, const char* /*name*/, sqlite3_file* file, int /*flags*/,
           int* /*out_flags*/) {
  file->pMethods = nullptr;
  return SQLITE_CANTOPEN;
}
int NoDelete(sqlite3_vfs* /*vfs*/, const char* /*name*/, int /*sync*/) {
  return SQLITE_IOERR_DELETE;
}
int NoAccess(sqlite3_vfs* /*vfs*/, const char* /*name*/, int /*flags*/, int* exists) {
  *exists = 0;
  return SQLITE_OK;
}
int FullPathname(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}
int Randomness(sqlite3_vfs* /*vfs*/, int size, char* out) {
  internal::FillRandom({}, reinterpret_cast<uint8_t*>(out), static_cast<size_t>(size));
  return size;
}
int Sleep(sqlite3_vfs* /*vfs*/, int microseconds) { return microseconds; }
int CurrentTimeInt64(sqlite3_vfs* /*vfs*/, sqlite3_int64* out) {
  *out = internal::kJulianEpochMs + internal::NowMs({});
  return SQLITE_OK;
}
int CurrentTime(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 ms = 0;
  CurrentTimeInt64(vfs, &ms);
  *out = static_cast<double>(ms) / 86'400'000.0;
  return SQLITE_OK;
}
int LastError(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*out*/) { return 0; }

sqlite3_vfs MakeDefaultVfs() {
  sqlite3_vfs vfs{};
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(sqlite3_file);
  vfs.mxPathname = 512;
  vfs.zName = "livestore-none";
  vfs.xOpen = NoOpen;
  vfs.xDelete = NoDelete;
  vfs.xAccess = NoAccess;
  vfs.xFullPathname = FullPathname;
  vfs.xRandomness = Randomness;
  vfs.xSleep = Sleep;
  vfs.xCurrentTime = CurrentTime;
  vfs.xCurrentTimeInt64 = CurrentTimeInt64;
  vfs.xGetLastError = LastError;
  return vfs;
}

}  // namespace

void SetProcessEnvironment(const VfsEnvironment& environment) {
  internal::InitializeSqlite();
  Process().environment = environment;
  Process().fallback_random = 0;
  sqlite3_randomness(0, nullptr);  // Forgets the seed; the next use draws a new one.
}

namespace internal {

void InitializeSqlite() {
  if (Process().started) return;
  // SQLite's start-up looks for a default VFS, so it is registered first. That is allowed before
  // sqlite3_initialize because SQLite is compiled without threads and automatic start.
  static sqlite3_vfs default_vfs = MakeDefaultVfs();
  LS_CHECK(sqlite3_vfs_register(&default_vfs, 1) == SQLITE_OK);
  LS_CHECK(sqlite3_initialize() == SQLITE_OK);
  Process().started = true;
}

int64_t NowMs(const VfsEnvironment& environment) {
  if (environment.now_ms != nullptr) return environment.now_ms(environment.context);
  const VfsEnvironment& process = Process().environment;
  return process.now_ms != nullptr ? process.now_ms(process.context) : 0;
}

void FillRandom(const VfsEnvironment& environment, uint8_t* out, size_t size) {
  for (const VfsEnvironment* source :
       std::initializer_list<const VfsEnvironment*>{&environment, &Process().environment}) {
    if (source->random_bytes == nullptr) continue;
    source->random_bytes(source->context, out, size);
    return;
  }
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    const uint64_t bits = NextFallbackRandom();
    std::memcpy(out + i, &bits, size - i < sizeof bits ? size - i : sizeof bits);
  }
}

}  // namespace internal
}  // namespace livestore
