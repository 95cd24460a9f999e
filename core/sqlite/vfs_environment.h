// VfsEnvironment: what SQLite wants from the world besides files, namely time and randomness; and
// the default VFS of the process, which has no files at all.
//
// Core has no clock and no random source of its own: whoever runs the engine passes them in. One
// thing about SQLite cannot be passed per connection: its random generator is one for the process,
// and it is seeded from the default VFS. So there is one process-wide environment, set once by the
// host (wasm bindings, tests, the simulator) before the first database is opened. It is the only
// process-wide state of core.
//
// Without it, time stands at 1970 and the random bytes are a fixed sequence: safe for tests and
// in-memory databases. A host that persists must set it, because SQLite tells old WAL frames from
// new ones by a random salt.

#pragma once

#include <cstddef>
#include <cstdint>

namespace livestore {

struct VfsEnvironment {
  int64_t (*now_ms)(void* context) = nullptr;  // Unix time.
  void (*random_bytes)(void* context, uint8_t* out, size_t size) = nullptr;
  void* context = nullptr;
};

// Sets the process-wide environment and makes SQLite draw a new seed from it. A null function means
// the deterministic fallback. Not to be called while a statement runs.
void SetProcessEnvironment(const VfsEnvironment& environment);

namespace internal {

// Starts SQLite, with the default VFS that serves in-memory databases and refuses every file.
// Idempotent, and cheap after the first time.
void InitializeSqlite();

// Time and randomness for a VFS: those of `environment`, else those of the process.
int64_t NowMs(const VfsEnvironment& environment);
void FillRandom(const VfsEnvironment& environment, uint8_t* out, size_t size);

// SQLite counts time in milliseconds since the Julian epoch.
inline constexpr int64_t kJulianEpochMs = 210'866'760'000'000;

}  // namespace internal
}  // namespace livestore
