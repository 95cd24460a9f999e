// Leader: the one node per client that persists. It puts the events of all sessions into one order,
// in the eventlog, and keeps the state tables derived from it.
//
//     Submit(batch) ──► queue ──► Drain: admit, append, materialize, flush ──► DrainOutcome
//
// Group commit: Drain takes every queued push into one eventlog transaction and one flush. A push
// is answered `accepted` only after that flush (law 2). The eventlog commits first; the state
// follows and records which event it reflects, so a crash between the two is repaired at boot by
// replay.
//
// Owns both databases through the VFS it is given. Knows no port, clock or browser.
//
// Boot: Open, then BootStep until it says it is done. A state of another schema or another history
// is rebuilt from the log in one transaction: a crash in the middle leaves the old one, and the
// next boot begins again; a half-built state is never seen.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/event/event.h"
#include "core/sqlite/pool_vfs.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"
#include "core/state/state_db.h"

namespace livestore {

// The files a leader's VFS must hold: both databases with their -wal and -journal.
std::vector<std::string> LeaderFileNames();

struct LeaderOptions {
  SchemaDescriptor schema;
  std::string vfs_name;  // Of a PoolVfs that holds LeaderFileNames().
};

struct BootProgress {
  enum class Stage { kMigrating, kRehydrating, kDone };
  Stage stage = Stage::kDone;
  uint64_t done = 0;   // Tables or events so far,
  uint64_t total = 0;  // of so many.
};

enum class PushAnswer { kAccepted, kRejected, kFailed };

struct PushResult {
  uint32_t session = 0;  // As given to Submit.
  uint32_t push = 0;
  PushAnswer answer = PushAnswer::kRejected;
  uint32_t failed_index =
      0;          // kFailed: events before it were accepted, it and later ones were not.
  Error error{};  // kFailed: why.
};

// One accepted run of events, in the order of the log.
struct Advance {
  uint32_t author = 0;  // The session that pushed it; every other session is sent the events.
  Bytes events;         // An event run.
};

// To be delivered in this order: advances and results interleave as the log grew. Each entry is
// either an advance or a result.
struct DrainOutcome {
  struct Entry {
    std::optional<Advance> advance{};
    std::optional<PushResult> result{};
  };
  std::vector<Entry> entries;
};

struct LeaderCounters {
  uint64_t events_appended = 0;
  uint64_t groups = 0;  // Flushed transactions.
  uint64_t events_replayed = 0;
  uint64_t rebuilds = 0;
  uint64_t damaged_states = 0;  // State files found damaged and begun anew.
};

class Leader {
 public:
  // Opens or creates both databases. `materializer` must outlive the leader. A damaged state
  // database is not an error: it is derived, and rebuilt. Fails with kCorruptEventlog, kNewerFormat
  // (files are then left untouched), kStorageFull, kStorageIo.
  static Result<std::unique_ptr<Leader>> Open(LeaderOptions options, Materializer& materializer);
  ~Leader();

  // Does a bounded piece of the boot (at most limits::kEventlogChunkEvents events) and says how far
  // it is. Idempotent once done. A failure ends the boot: nothing was changed in the files but what
  // SQLite rolls back.
  Result<BootProgress> BootStep();

  // Queues a push. Fails with kMalformedBytes or kLimitExceeded; the session is then at fault.
  // REQUIRES: the boot is done.
  Result<void> Submit(uint32_t session, uint32_t push, BytesView event_run);
  // Takes everything queued into the log. On failure (kStorageFull, kStorageIo) nothing of the
  // group is in the log or the state, every push of it stays queued, and Drain may be tried again.
  Result<DrainOutcome> Drain();

  // History for a session that knows the log up to `cursor`: the run of events after it, or
  // nullopt if the log holds no such event (the session then needs the image).
  Result<std::optional<Bytes>> EventsAfter(const SeqNum& cursor);
  // The state as a database image for ClientSession::LoadImage.
  Result<Bytes> Image();

  // The same reading side that materializers use in a session.
  Result<StatementId> Prepare(std::string_view sql);
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const;
  [[nodiscard]] const std::string& TableName(TableId table) const;
  Result<BytesView> Query(StatementId statement, BytesView binds);

  [[nodiscard]] SeqNum local_head() const;
  [[nodiscard]] const std::string& schema_hash() const;
  [[nodiscard]] LeaderCounters counters() const;

 private:
  struct Impl;
  explicit Leader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
