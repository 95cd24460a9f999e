// ClientSession: one tab's live copy of a store. Commits are applied here at once, in memory, and
// stay pending until the leader has them.
//
//     Commit ──► pending e4' e5' ──► NextPush ──(port)──► leader
//                   ▲                                       │
//                   └── OnPushAccepted / OnNews ◄───────────┘
//
//     settled ── accepted ── pending'          the session's view of the log
//                    ▲           ▲
//             may be rebased   not in the log yet
//             by the leader
//
// What is not settled can be taken back, newest first, by its changeset.
//
// Each commit's events are counted, from 1. Receipts are such counters: see Receipts.
//
// A state machine: calls and messages in, outcomes out. It owns an in-memory state database and
// nothing else; it knows no port, no clock and no storage. It decides sequence numbers, what to
// push, merge and rebase, and which live queries are stale.
//
// What always holds: the state tables equal upstream's state plus pending, in order, at every
// return (law 4), and on top of that the overlay of events that are not persisted; a call that
// fails leaves state, pending and numbers as they were (law 8); live queries are told only of the
// end of a rebase (law 7).
//
// Calls do not nest: from inside a materializer only Prepare and Query are allowed, others fail
// with kNested.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/event/event.h"
#include "core/reactive/live_queries.h"
#include "core/sqlite/database.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"
#include "core/state/state_db.h"

namespace livestore {

struct ClientSessionOptions {
  std::string client_id;
  std::string session_id;
  // Of this object, never used before: the leader tells by it what it has of this session's events.
  // Not empty, at most limits::kNameBytesMax bytes.
  std::string instance;
  SchemaDescriptor schema;
};

// An own event that can never be accepted, or that the sync backend refused, and why. It has been
// rolled back.
struct RejectedEvent {
  uint64_t counter = 0;  // 0: one that was not persisted, and can no longer be shown.
  Event event;           // As it stood last.
  // The leader had it, and the backend refused it; or the leader refused it itself, and its answer
  // was lost with it.
  bool accepted = false;
  Error error;
};

// How far the events committed here have come, as counters: all up to it, but for rejected ones.
struct Receipts {
  uint64_t committed = 0;  // The last event committed.
  uint64_t persisted = 0;  // Flushed by the leader.
  uint64_t synced = 0;  // Ordered by the sync backend; 0 for ever without one. Client-only events
                        // count as synced with the ones before them.
  bool has_backend = false;  // A sync backend orders the log, as the leader said last.
};

struct FollowOutcome {
  std::vector<LiveQueryId> stale;       // Live queries to run again.
  std::vector<RejectedEvent> rejected;  // For the app to hear of.
  bool need_image =
      false;  // Changesets could not undo: ask the leader for an image, call LoadImage.
};

struct SyncStatus {
  SeqNum local_head;
  SeqNum upstream_head;
  size_t pending_count = 0;
};

class ClientSession {
 public:
  // Starts with empty tables at e0. `materializer` must outlive the session.
  static Result<std::unique_ptr<ClientSession>> Create(ClientSessionOptions options,
                                                       Materializer& materializer);
  ~ClientSession();

  // Replaces the state by the leader's image and materializes pending on top of it. `history` is
  // what the leader says of its log from the image on. Every live query is stale. Fails with
  // kMalformedBytes, kSchemaMismatch, kNewerFormat, kUpstreamGap (the history does not continue the
  // image); nothing has changed then.
  Result<FollowOutcome> LoadImage(BytesView image, BytesView history);

  // Applies `events` as one transaction and returns the stale live queries. All or nothing.
  Result<std::vector<LiveQueryId>> Commit(std::span<const NewEvent> events);

  // Applies `events` without giving them a place in any log: they show on top of what is pending,
  // in the sessions that are there, until this object ends or newer ones press them out
  // (limits::kMaxOverlayEvents). All or nothing.
  Result<std::vector<LiveQueryId>> CommitPassing(std::span<const NewEvent> events);
  // What CommitPassing applied since the last call, for other sessions (EncodeEvents).
  std::optional<Bytes> NextPassing();
  // The same from another session. One that cannot be applied here is reported, and left out.
  // Fails with kMalformedBytes, kProtocolMismatch.
  Result<FollowOutcome> OnPassing(BytesView events);

  // For the events that are committed from now on; those that are pending keep theirs.
  void SetClientId(std::string id);

  // The next push for the leader (core/event/event_codec.h), or nullopt while one is unanswered,
  // while a history or an image is awaited, or when nothing is pending.
  std::optional<Bytes> NextPush();
  // The leader took the batch in flight: it is durable. Fails with kUpstreamGap if upstream went on
  // since it was sent, which a log that came back to an old place can bring about; then join again.
  // So does OnPushFailed.
  Result<void> OnPushAccepted();
  // The session was behind; what it missed has arrived before this answer. Push again.
  Result<void> OnPushRejected();
  // The event at `failed_index` of the batch in flight cannot be materialized by the leader; those
  // before it were accepted. It is dropped here and the rest rebased.
  Result<FollowOutcome> OnPushFailed(size_t failed_index, Error error);

  // What became of the leader's log. Fails with kUpstreamGap (then join again), kMalformedBytes.
  Result<FollowOutcome> OnNews(BytesView news);
  // A new leader took over, or the port was lost: forgets the batch in flight, whose fate the new
  // leader's history will tell: until OnHistory or LoadImage brings it, nothing is pushed. Returns
  // the cursor to join with.
  Cursor OnLeaderChange();
  // What the leader that was joined says of its log after the cursor. Fails as OnNews does.
  Result<FollowOutcome> OnHistory(BytesView history);

  Result<StatementId> Prepare(std::string_view sql);
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const;
  [[nodiscard]] const std::string& TableName(TableId table) const;
  Result<BytesView> Query(StatementId statement, BytesView binds);
  [[nodiscard]] LiveQueries& live_queries();

  [[nodiscard]] SyncStatus sync_status() const;
  [[nodiscard]] Receipts receipts() const;
  // Everything pending as one push, for a journal at the end of a page; nullopt if nothing is. The
  // next leader takes it with Leader::SubmitOrphans.
  [[nodiscard]] std::optional<Bytes> PendingAsPush() const;
  [[nodiscard]] const std::string& schema_hash() const;
  // The whole state, as LoadImage takes it.
  Result<Bytes> Image();

 private:
  struct Impl;
  explicit ClientSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
