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
// With a sync backend the end of the log is pending too: events that the backend has not ordered.
// What is pulled is merged like anything from upstream, and the log's end may be rewritten by it:
// eventlog first, in one transaction; the state takes back what it must by its undo rows.
//
// An event that is in the log stays there, and in its place, whatever its materializer says: if it
// fails, the event changes nothing here, which is reported, and the sessions follow
// the leader in that. Stopping instead would wedge this client for good.
//
// Each session object counts its events; the log remembers how far it has them, in the transaction
// that appends them. So a push that is repeated after a crash is applied once.
//
// Owns both databases through the VFS it is given. Knows no port, clock or browser.
//
// Boot: Open, then BootStep until it says it is done. A state of another schema or another history
// is rebuilt from the log, in transactions of limits::kRebuildCommitEvents: after a crash in the
// middle the next boot goes on. What is built so far is marked as partial and serves nobody.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/event/event.h"
#include "core/eventlog/import.h"
#include "core/sqlite/pool_vfs.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"
#include "core/state/state_db.h"
#include "core/sync/backend_sync.h"

namespace livestore {

// The files a leader's VFS must hold: both databases with their -wal and -journal.
std::vector<std::string> LeaderFileNames();

// What to do when the backend turns out to be another one than the log was synced with.
enum class BackendIdMismatch {
  kReset,   // Take the new one's events in place of what the old one ordered; keep what is pending.
  kIgnore,  // Stay as it is, and stop syncing.
};

struct LeaderOptions {
  SchemaDescriptor schema;
  std::string vfs_name;                         // Of a PoolVfs that holds LeaderFileNames().
  std::optional<BackendSyncOptions> backend{};  // Without one nothing is ever synced.
  BackendIdMismatch on_backend_id_mismatch = BackendIdMismatch::kReset;
  std::string client_id{};  // Empty: not known, and never replaced.
  // What this client is called from the moment on at which another one turns out to have its id.
  std::string spare_client_id{};
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

// What became of the log.
struct NewsFor {
  uint32_t author = 0;  // The session whose push it was; every other session is sent the news.
  Bytes news;           // See News in core/event/event_codec.h.
};

// An event and what is wrong with it.
struct FailedEvent {
  Event event;
  Error error;
};

// To be delivered in this order: news and results interleave as the log grew. Each entry is either.
struct DrainOutcome {
  struct Entry {
    std::optional<NewsFor> news{};
    std::optional<PushResult> result{};
  };
  std::vector<Entry> entries;
  bool rejoin = false;  // Every session must join again, as news were lost; there are no entries.
  std::vector<FailedEvent> skipped;  // They are in the log and change nothing: see above.
  std::vector<FailedEvent> refused;  // By the backend, for good: they are in no log any more.
};

// What a session that joins is given: the history after its cursor, or the image and the history
// after that.
struct Joined {
  std::optional<Bytes> image{};
  Bytes history;
  std::string client_id;  // For its events from now on.
};

// One thing to do with the sync backend. Answers go to the On... calls below, with its number.
struct BackendRequest {
  enum class Kind { kPull, kStopPull, kPush };
  Kind kind = Kind::kPull;
  uint32_t number = 0;
  // kPull: everything after this global number, with what the backend said of that event, if
  // anything; and go on if live.
  uint64_t cursor = 0;
  std::string cursor_metadata{};
  std::string backend_id{};  // Of the backend that this log was synced with; empty if not known.
  bool live = false;
  Bytes events{};  // kPush: a batch of synced events in order (EncodeEvents).
};

struct LeaderSyncStatus {
  SeqNum local_head;
  uint64_t upstream_head = 0;  // The last event the backend has confirmed.
  uint64_t pending_count = 0;  // Events after it, client-only ones included.
  bool online = false;
  bool caught_up = false;  // A pull has reached the backend's head since the boot.
  bool halted = false;     // Another backend, and kIgnore: syncing has stopped.
};

struct LeaderCounters {
  uint64_t events_appended = 0;
  uint64_t groups = 0;  // Flushed transactions.
  uint64_t events_replayed = 0;
  uint64_t rebuilds = 0;
  uint64_t damaged_states = 0;  // State files found damaged and begun anew.
  uint64_t rebases = 0;         // Groups that rewrote the end of the log.
  uint64_t events_rebased = 0;
  uint64_t events_taken_back = 0;  // From the state, by undo rows.
  uint64_t events_pulled = 0;
};

class Leader {
 public:
  // Opens or creates both databases. `materializer` must outlive the leader. A damaged state
  // database is not an error: it is derived, and rebuilt. Fails with kCorruptEventlog, kNewerFormat
  // (files are then left untouched), kStorageFull, kStorageIo.
  static Result<std::unique_ptr<Leader>> Open(LeaderOptions options, Materializer& materializer);
  ~Leader();

  // Takes over the eventlog of LiveStore, if this one never held anything; see
  // core/eventlog/import.h. REQUIRES: no BootStep came before.
  Result<uint64_t> ImportLiveStore(const LiveStoreFiles& files);

  // Does a bounded piece of the boot (at most limits::kEventlogChunkEvents events) and says how far
  // it is. Idempotent once done. A failure ends the boot: nothing was changed in the files but what
  // SQLite rolls back.
  Result<BootProgress> BootStep();

  // Queues a push of the session with this number (not 0). Fails with kMalformedBytes or
  // kLimitExceeded; the session is then at fault. REQUIRES: the boot is done.
  Result<void> Submit(uint32_t session, uint32_t push, BytesView push_bytes);
  // The same for a push of a session that is no more (ClientSession::PendingAsPush): what the log
  // does not have of it is put at its end, whatever it continued. There is no answer.
  Result<void> SubmitOrphans(BytesView push_bytes);
  // Takes everything queued into the log: pages of the backend first, then pushes. On failure
  // (kStorageFull, kStorageIo) everything not yet taken in stays queued, nothing is half done, and
  // Drain may be tried again. kSyncBackendReplaced: the log cannot follow the backend to another
  // one, and syncing has halted.
  Result<DrainOutcome> Drain();
  // True if a Drain would do, or has to tell, anything.
  [[nodiscard]] bool HasWork() const;

  // For a session that joins, with the end of the log it knows, if any, and its instance name. A
  // cursor of another epoch is given the image, unless it is at e0.
  // Everything it has pushed before must have been answered.
  Result<Joined> Join(const std::optional<Cursor>& cursor, std::string_view instance);

  // ---- The sync backend. These do nothing without one, and for numbers that are not current.

  // What is to be asked of the backend now; nothing as long as HasWork. Call after each call below,
  // each Drain, and at WakeAt. An event that no backend would take makes HasWork true. Nothing is
  // pushed before a page has named the backend, or a pull has reached the head of a nameless one.
  Result<std::vector<BackendRequest>> NextRequests(int64_t now_ms);
  [[nodiscard]] std::optional<int64_t> WakeAt(int64_t now_ms) const;
  // Queues a page of a pull for the next Drain. What the log has already is passed over; a gap
  // makes the pull start anew. A pull that ends at the backend's head says so in its last page,
  // which may be empty. Fails with kMalformedBytes or kLimitExceeded, and the pull starts anew,
  // after a while.
  Result<void> OnPulled(uint32_t pull, BytesView page, bool caught_up, int64_t now_ms);
  void OnPullEnded(uint32_t pull, int64_t now_ms);
  void OnPullFailed(uint32_t pull, int64_t now_ms);
  void OnPushTaken(uint32_t push);
  void OnPushFailed(uint32_t push, BackendFailure failure, int64_t now_ms);
  // The backend refuses the event at `index` of the batch for good. Done by the next Drain.
  void OnPushRefused(uint32_t push, uint32_t index, std::string reason, int64_t now_ms);
  // The backend says that it is another one than it was; "" for one without an id.
  void OnBackendReplaced(std::string id);
  void OnConnection(bool online);
  [[nodiscard]] LeaderSyncStatus sync_status() const;

  // The state as a database image. REQUIRES: the boot is done.
  Result<Bytes> Image();

  // Up to `count` events after the synced event number `global` and the client-only ones that
  // follow it, encoded by EncodeEvents: of those that will never be rolled back. None: there are no
  // such events yet. REQUIRES: the boot is done.
  Result<Bytes> SettledAfter(uint64_t global, uint32_t count);

  // The same reading side that materializers use in a session.
  Result<StatementId> Prepare(std::string_view sql);
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const;
  [[nodiscard]] const std::string& TableName(TableId table) const;
  Result<BytesView> Query(StatementId statement, BytesView binds);

  [[nodiscard]] SeqNum local_head() const;
  // Where a session that has everything is.
  [[nodiscard]] Cursor cursor() const;
  [[nodiscard]] const std::string& schema_hash() const;
  [[nodiscard]] LeaderCounters counters() const;

 private:
  struct Impl;
  explicit Leader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
