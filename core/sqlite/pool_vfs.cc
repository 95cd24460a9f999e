#include "core/sqlite/pool_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/limits.h"

namespace livestore {
namespace {

// A database and its -wal and -journal: what fails and heals together.
struct Group {
  std::string database;
  bool read_only = false;
  int failure = SQLITE_OK;  // What every call answers while it is not SQLITE_OK.
  bool open = false;        // The database file itself is open.
};

std::string_view DatabaseName(std::string_view file) {
  for (const std::string_view suffix : {"-wal", "-journal"}) {
    if (file.ends_with(suffix)) return file.substr(0, file.size() - suffix.size());
  }
  return file;
}

}  // namespace

struct PoolVfs::Impl {
  // What SQLite allocates per open file. It calls back with the address of `base`.
  struct File {
    sqlite3_file base;
    Impl* vfs;
    Group* group;
    StoragePool::Handle handle;
    int64_t size;  // The pool's files are ours alone, so the size is known without asking.
    bool is_database;
  };

  // The one contiguous run of writes that the pool has not seen yet.
  struct HeldRun {
    File* file = nullptr;
    int64_t offset = 0;
    Bytes bytes;
  };

  // Whether SQLite can still take back what a failed write-out loses.
  enum class Caller {
    kListens,   // It fails the transaction when this call fails.
    kBelieves,  // It has committed already, or ignores what this call answers.
  };

  Impl(StoragePool& storage, const VfsEnvironment& world) : pool(storage), environment(world) {
    char text[32];
    sqlite3_snprintf(sizeof text, text, "livestore-pool-%p", static_cast<void*>(this));
    name = text;
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(File);
    vfs.mxPathname = 512;
    vfs.zName = name.c_str();
    vfs.pAppData = this;
    vfs.xOpen = Open;
    vfs.xDelete = Delete;
    vfs.xAccess = Access;
    vfs.xFullPathname = FullPathname;
    vfs.xRandomness = Randomness;
    vfs.xSleep = Sleep;
    vfs.xCurrentTime = CurrentTime;
    vfs.xCurrentTimeInt64 = CurrentTimeInt64;
    vfs.xGetLastError = GetLastError;
  }

  Group* GroupOf(std::string_view file) {
    const std::string_view database = DatabaseName(file);
    for (const auto& group : groups) {
      if (group->database == database) return group.get();
    }
    groups.push_back(std::make_unique<Group>(Group{.database = std::string(database)}));
    return groups.back().get();
  }

  // Flushes a file before this VFS uses it for the first time. False if that failed.
  bool FlushOnce(StoragePool::Handle file) {
    if (!flushed_before_use.insert(file).second) return true;
    counters.flushes++;
    if (pool.Flush(file) == StorageStatus::kOk) return true;
    flushed_before_use.erase(file);
    return false;
  }

  // Writes the held run, if any, on behalf of a call on `group`. Returns what that call must
  // answer.
  int WriteOut(const Group* group, Caller caller) {
    if (held.file == nullptr) return SQLITE_OK;
    File* const file = std::exchange(held.file, nullptr);
    counters.writes++;
    const StorageStatus status = pool.Write(file->handle, held.bytes, held.offset);
    held.bytes.clear();
    if (status == StorageStatus::kOk) return SQLITE_OK;
    file->size = std::max<int64_t>(pool.Size(file->handle), 0);
    const int code = status == StorageStatus::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (group == file->group && caller == Caller::kListens) return code;
    MakeSticky(file->group, code);
    return group == file->group ? code : SQLITE_OK;
  }

  void MakeSticky(Group* group, int code) {
    group->failure = code;
    if (code == SQLITE_FULL) {
      failure = Error{ErrorCode::kStorageFull,
                      "no space is left to write " + group->database + "; it must be opened anew"};
    } else {
      failure = Error{ErrorCode::kStorageIo,
                      "writing " + group->database + " failed; it must be opened anew"};
    }
  }

  static int CodeOf(StorageStatus status, int io_code) {
    switch (status) {
      case StorageStatus::kOk:
        return SQLITE_OK;
      case StorageStatus::kFull:
        return SQLITE_FULL;
      case StorageStatus::kIoError:
        break;
    }
    return io_code;
  }

  static Impl& Of(sqlite3_vfs* vfs) { return *static_cast<Impl*>(vfs->pAppData); }
  static File& Of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

  // sqlite3_io_methods.

  static int Close(sqlite3_file* base) {
    File& file = Of(base);
    Impl& self = *file.vfs;
    int result = SQLITE_OK;
    if (self.held.file == &file) result = self.WriteOut(file.group, Caller::kBelieves);
    if (file.is_database) file.group->open = false;
    self.open_files--;
    return result;
  }

  static int Read(sqlite3_file* base, void* out, int size, sqlite3_int64 offset) {
    File& file = Of(base);
    Impl& self = *file.vfs;
    if (file.group->failure != SQLITE_OK) return file.group->failure;
    auto* const bytes = static_cast<uint8_t*>(out);
    const auto wanted = static_cast<size_t>(size);
    int64_t got = 0;
    if (offset < file.size) {  // Else the answer is known, and SQLite asks often while it starts.
      if (self.held.file == &file) {
        const int result = self.WriteOut(file.group, Caller::kListens);
        if (result != SQLITE_OK) return result;
      }
      self.counters.reads++;
      got = self.pool.Read(file.handle, bytes, wanted, offset);
      if (got < 0) return SQLITE_IOERR_READ;
    }
    if (static_cast<size_t>(got) == wanted) return SQLITE_OK;
    std::memset(bytes + got, 0, wanted - static_cast<size_t>(got));
    return SQLITE_IOERR_SHORT_READ;
  }

  static int Write(sqlite3_file* base, const void* data, int size, sqlite3_int64 offset) {
    File& file = Of(base);
    Impl& self = *file.vfs;
    if (file.group->failure != SQLITE_OK) return file.group->failure;
    const BytesView bytes(static_cast<const uint8_t*>(data), static_cast<size_t>(size));
    HeldRun& held = self.held;
    const bool continues = held.file == &file &&
                           offset == held.offset + static_cast<int64_t>(held.bytes.size()) &&
                           held.bytes.size() + bytes.size() <= limits::kCoalescedWriteBytesMax;
    if (!continues) {
      const int result = self.WriteOut(file.group, Caller::kListens);
      if (result != SQLITE_OK) return result;
      held.file = &file;
      held.offset = offset;
    }
    held.bytes.insert(held.bytes.end(), bytes.begin(), bytes.end());
    file.size = std::max<int64_t>(file.size, offset + size);
    return SQLITE_OK;
  }

  static int Truncate(sqlite3_file* base, sqlite3_int64 size) {
    File& file = Of(base);
    Impl& self = *file.vfs;
    if (file.group->failure != SQLITE_OK) return file.group->failure;
    // SQLite cuts a WAL to its size limit without looking at the answer, right after a commit.
    const int result = self.WriteOut(file.group, Caller::kBelieves);
    if (result != SQLITE_OK) return result;
    self.counters.truncates++;
    const StorageStatus status = self.pool.Truncate(file.handle, size);
    if (status != StorageStatus::kOk) return CodeOf(status, SQLITE_IOERR_TRUNCATE);
    file.size = size;
    return SQLITE_OK;
  }

  static int Sync(sqlite3_file* base, int /*flags*/) {
    File& file = Of(base);
    Impl& self = *file.vfs;
    if (file.group->failure != SQLITE_OK) return file.group->failure;
    const int result = self.WriteOut(file.group, Caller::kListens);
    if (result != SQLITE_OK) return result;
    self.counters.flushes++;
    return CodeOf(self.pool.Flush(file.handle), SQLITE_IOERR_FSYNC);
  }

  static int FileSize(sqlite3_file* base, sqlite3_int64* out) {
    const File& file = Of(base);
    if (file.group->failure != SQLITE_OK) return file.group->failure;
    *out = file.size;
    return SQLITE_OK;
  }

  static int Lock(sqlite3_file* /*file*/, int /*level*/) { return SQLITE_OK; }
  static int Unlock(sqlite3_file* /*file*/, int /*level*/) { return SQLITE_OK; }
  static int CheckReservedLock(sqlite3_file* /*file*/, int* out) {
    *out = 0;
    return SQLITE_OK;
  }

  static int FileControl(sqlite3_file* base, int operation, void* /*argument*/) {
    if (operation != SQLITE_FCNTL_COMMIT_PHASETWO) return SQLITE_NOTFOUND;
    const File& file = Of(base);
    if (file.group->failure != SQLITE_OK) return file.group->failure;
    return file.vfs->WriteOut(file.group, Caller::kBelieves);
  }

  static int SectorSize(sqlite3_file* /*file*/) { return 4096; }
  static int DeviceCharacteristics(sqlite3_file* /*file*/) {
    return SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN | SQLITE_IOCAP_POWERSAFE_OVERWRITE;
  }

  // sqlite3_vfs.

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags,
                  int* out_flags) {
    base->pMethods = nullptr;
    Impl& self = Of(vfs);
    if (name == nullptr) return SQLITE_CANTOPEN;  // A temporary file.
    const StoragePool::Handle handle = self.pool.Find(name);
    if (handle == StoragePool::kNone) return SQLITE_CANTOPEN;
    const bool is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    Group* const group = self.GroupOf(name);
    if (is_database) {
      if (group->open) return SQLITE_CANTOPEN;  // Two connections would not see each other's locks.
      group->failure = SQLITE_OK;
      group->read_only = (flags & SQLITE_OPEN_READONLY) != 0;
    } else if (group->failure != SQLITE_OK) {
      return group->failure;
    }
    // A process before this one may have deleted a journal and died before the flush. If it came
    // back after a power cut, it would roll the database back to what it was when it was written.
    if (is_database && !group->read_only) {
      const StoragePool::Handle journal = self.pool.Find(std::string(name) + "-journal");
      if (journal != StoragePool::kNone && !self.FlushOnce(journal)) return SQLITE_IOERR_FSYNC;
    }
    const int64_t size = self.pool.Size(handle);
    if (size < 0) return SQLITE_IOERR_FSTAT;
    if (size == 0 && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    // In the same way, whoever reads the file now believes what it holds.
    if (size > 0 && !group->read_only && !self.FlushOnce(handle)) return SQLITE_IOERR_FSYNC;

    static const sqlite3_io_methods kMethods = {
        .iVersion = 1,  // No shared memory: WAL needs locking_mode=EXCLUSIVE.
        .xClose = Close,
        .xRead = Read,
        .xWrite = Write,
        .xTruncate = Truncate,
        .xSync = Sync,
        .xFileSize = FileSize,
        .xLock = Lock,
        .xUnlock = Unlock,
        .xCheckReservedLock = CheckReservedLock,
        .xFileControl = FileControl,
        .xSectorSize = SectorSize,
        .xDeviceCharacteristics = DeviceCharacteristics,
        .xShmMap = nullptr,
        .xShmLock = nullptr,
        .xShmBarrier = nullptr,
        .xShmUnmap = nullptr,
        .xFetch = nullptr,
        .xUnfetch = nullptr,
    };
    if (is_database) group->open = true;
    self.open_files++;
    new (base) File{.base = {&kMethods},
                    .vfs = &self,
                    .group = group,
                    .handle = handle,
                    .size = size,
                    .is_database = is_database};
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
  }

  static int Delete(sqlite3_vfs* vfs, const char* name, int /*sync*/) {
    Impl& self = Of(vfs);
    const StoragePool::Handle handle = self.pool.Find(name);
    if (handle == StoragePool::kNone) return SQLITE_IOERR_DELETE_NOENT;
    const Group* const group = self.GroupOf(name);
    if (group->failure != SQLITE_OK) return group->failure;
    const int result = self.WriteOut(group, Caller::kBelieves);
    if (result != SQLITE_OK) return result;
    self.counters.truncates++;
    const StorageStatus cut = self.pool.Truncate(handle, 0);
    if (cut != StorageStatus::kOk) return CodeOf(cut, SQLITE_IOERR_DELETE);
    // Or it could come back after a power cut: see Open.
    self.counters.flushes++;
    return CodeOf(self.pool.Flush(handle), SQLITE_IOERR_DELETE);
  }

  static int Access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* out) {
    Impl& self = Of(vfs);
    const StoragePool::Handle handle = self.pool.Find(name);
    *out = 0;
    if (handle == StoragePool::kNone) return SQLITE_OK;
    const int64_t size = self.pool.Size(handle);
    if (size < 0) return SQLITE_IOERR_ACCESS;
    // A held run can only be of an open file, and SQLite asks only for files it has not opened.
    *out = size > 0 ? 1 : 0;
    return SQLITE_OK;
  }

  static int FullPathname(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
    if (std::strlen(name) >= static_cast<size_t>(size)) return SQLITE_CANTOPEN_FULLPATH;
    sqlite3_snprintf(size, out, "%s", name);
    return SQLITE_OK;
  }

  static int Randomness(sqlite3_vfs* vfs, int size, char* out) {
    internal::FillRandom(Of(vfs).environment, reinterpret_cast<uint8_t*>(out),
                         static_cast<size_t>(size));
    return size;
  }
  static int Sleep(sqlite3_vfs* /*vfs*/, int microseconds) { return microseconds; }
  static int CurrentTimeInt64(sqlite3_vfs* vfs, sqlite3_int64* out) {
    *out = internal::kJulianEpochMs + internal::NowMs(Of(vfs).environment);
    return SQLITE_OK;
  }
  static int CurrentTime(sqlite3_vfs* vfs, double* out) {
    sqlite3_int64 ms = 0;
    CurrentTimeInt64(vfs, &ms);
    *out = static_cast<double>(ms) / 86'400'000.0;
    return SQLITE_OK;
  }
  static int GetLastError(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*out*/) { return 0; }

  StoragePool& pool;
  VfsEnvironment environment;
  std::string name;
  sqlite3_vfs vfs{};
  std::vector<std::unique_ptr<Group>> groups;  // One per database; addresses are kept by files.
  HeldRun held;
  Counters counters;
  std::set<StoragePool::Handle> flushed_before_use;
  std::optional<Error> failure;
  int open_files = 0;
};

PoolVfs::PoolVfs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PoolVfs::~PoolVfs() {
  LS_CHECK(impl_->open_files == 0);
  sqlite3_vfs_unregister(&impl_->vfs);
}

Result<std::unique_ptr<PoolVfs>> PoolVfs::Create(StoragePool& pool, VfsEnvironment environment) {
  internal::InitializeSqlite();
  auto impl = std::make_unique<Impl>(pool, environment);
  if (sqlite3_vfs_register(&impl->vfs, 0) != SQLITE_OK) {
    return Error{ErrorCode::kInternal, "SQLite refused to register a VFS"};
  }
  return std::unique_ptr<PoolVfs>(new PoolVfs(std::move(impl)));
}

const std::string& PoolVfs::name() const { return impl_->name; }
std::optional<Error> PoolVfs::failure() const { return impl_->failure; }
void PoolVfs::ClearFailure() { impl_->failure.reset(); }
PoolVfs::Counters PoolVfs::counters() const { return impl_->counters; }

}  // namespace livestore
