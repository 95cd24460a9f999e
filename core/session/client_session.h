// ClientSession: one tab's live copy of a store. Commits are applied here at once, in memory, and
// stay pending until the leader has them.
//
//     Commit ──► pending e4' e5' ──► NextPush ──(port)──► leader
//                   ▲                                       │
//                   └── OnPushAccepted / OnAdvance ◄────────┘
//
// A state machine: calls and messages in, outcomes out. It owns an in-memory state database and
// nothing else; it knows no port, no clock and no storage. It decides sequence numbers, what to
// push, merge and rebase, and which live queries are stale.
//
// What always holds: the state tables equal upstream's state plus pending, in order, at every
// return (law 4); a call that fails leaves state, pending and numbers as they were (law 8); live
// queries are told only of the end of a rebase (law 7).
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
  SchemaDescriptor schema;
};

// A pending event that can never be accepted, and why. It has been rolled back.
struct RejectedEvent {
  Event event;
  Error error;
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

  // Replaces the state by the leader's image and materializes pending on top of it. Every live
  // query is stale. Fails with kMalformedBytes, kSchemaMismatch, kNewerFormat; nothing has changed
  // then.
  Result<FollowOutcome> LoadImage(BytesView image);

  // Applies `events` as one transaction and returns the stale live queries. All or nothing.
  Result<std::vector<LiveQueryId>> Commit(std::span<const NewEvent> events);

  // The next run for the leader (core/event/event_codec.h), or nullopt while one is unanswered,
  // while a history or an image is awaited, or when nothing is pending.
  std::optional<Bytes> NextPush();
  // The leader took the batch in flight: it is durable.
  Result<void> OnPushAccepted();
  // The session was behind; what it missed has arrived before this answer. Push again.
  Result<void> OnPushRejected();
  // The event at `failed_index` of the batch in flight cannot be materialized by the leader; those
  // before it were accepted. It is dropped here and the rest rebased.
  Result<FollowOutcome> OnPushFailed(size_t failed_index, Error error);

  // A run of events that others committed, continuing upstream_head. Fails with kUpstreamGap (then
  // say hello again), kMalformedBytes.
  Result<FollowOutcome> OnAdvance(BytesView event_run);
  // A new leader took over, or the port was lost: forgets the batch in flight, whose fate the new
  // leader's history will tell: until OnAdvance or LoadImage brings it, nothing is pushed. Returns
  // the cursor for `hello`.
  SeqNum OnLeaderChange();

  Result<StatementId> Prepare(std::string_view sql);
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const;
  [[nodiscard]] const std::string& TableName(TableId table) const;
  Result<BytesView> Query(StatementId statement, BytesView binds);
  [[nodiscard]] LiveQueries& live_queries();

  [[nodiscard]] SyncStatus sync_status() const;
  [[nodiscard]] const std::string& schema_hash() const;
  // The whole state, as LoadImage takes it.
  Result<Bytes> Image();

 private:
  struct Impl;
  explicit ClientSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
