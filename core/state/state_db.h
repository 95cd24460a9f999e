// StateDb: the tables derived from the eventlog, and the record of which event they reflect.
//
//     __livestore_state(id=1, formatVersion, schemaHash, seqNumGlobal, seqNumClient,
//                       seqNumRebaseGeneration, eventHash, skippedGlobal, skippedClient)
//
// eventHash is the identity of the event at that number, so that a state that reflects another
// history is noticed. skipped is the last position of an event that has no effect here. Written in
// the same transaction as the tables: state and its head cannot disagree.
//
//     __livestore_undo(id primary key, seqNumGlobal, seqNumClient, seqNumRebaseGeneration,
//                      eventHash, changeset)
//
// How to take back the last events, one row each, oldest first: the head before the event, and its
// changeset; null if it cannot be taken back. The leader keeps those that a rebase may still reach.
//
// Format history (formatVersion): 1 had no undo rows; 2 no skipped; 3. An older one is no state: it
// is derived, and built anew.
//
// Used by the leader (persisted, on the pool VFS) and by the client session (in memory). Knows
// statements and changesets, nothing of sync.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/event/event.h"
#include "core/sqlite/database.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"

namespace livestore {

struct Materialized {
  Bytes changeset;       // Empty if the event changed nothing, or nothing was recorded.
  TableSet tables;       // Written, whether or not rows changed.
  bool undoable = true;  // False if `changeset` cannot bring the state before the event back.
};

// What a state image says of itself.
struct StateHead {
  SeqNum seq;
  uint64_t event_hash = 0;
  std::string schema_hash;
  bool partial = false;  // Being filled from the log: see StateDb::Recreate.
  // No event after this position was ever passed over (NoteSkipped).
  SeqNum skipped{};

  [[nodiscard]] Head head() const { return {seq, event_hash}; }
};

// One row of __livestore_undo.
struct UndoEntry {
  Head before;
  Bytes changeset;
  bool undoable = true;
};

class StateDb {
 public:
  ~StateDb();
  // Takes over an open database. Creates nothing yet: see ReadHead and Recreate.
  static Result<std::unique_ptr<StateDb>> Create(std::unique_ptr<Database> database,
                                                 SchemaDescriptor schema,
                                                 Materializer& materializer);

  // The recorded head, which becomes head(), or nullopt when the database is empty, of an older
  // format, or was left by nothing of ours. Fails with kNewerFormat for a state written by a newer
  // version, kCorruptState for damage. Whether its schema is this one is for the caller to see.
  Result<std::optional<StateHead>> ReadHead();

  // Drops every table and creates those of the schema, empty, with head e0, or changes nothing. The
  // caller holds a savepoint when this must be atomic with what follows. Fails with kInvalidSchema
  // for a schema whose SQL SQLite refuses.
  Result<void> Recreate();
  // The same for a state that is filled in more than one transaction: what ReadHead finds until
  // Complete is marked as partial, and is no image.
  Result<void> RecreatePartial();
  Result<void> Complete();

  enum class Record { kChangeset, kNothing };
  // Runs the materializer of `event` and its statements, all or nothing, and moves the in-memory
  // head to it (SaveHead writes it). On failure state and head are as before. The message of an
  // error names the event. Fails with what the materializer, SQLite or the storage say; with
  // kInvalidMaterializerResult for a statement that is unknown, no insert, update, delete or
  // replace, or writes a table of ours; with kMalformedBytes, kLimitExceeded for the batch.
  Result<Materialized> Materialize(const Event& event, int local_index, Record record);

  // Remembers how to take back the event just materialized, which moved the head from `before`. For
  // an event that changed nothing `materialized` is empty. These calls need the tables of Recreate.
  Result<void> KeepUndo(const Head& before, const Materialized& materialized);
  // Takes the last remembered event back and moves the in-memory head before it. False, and nothing
  // has changed, if none is remembered or it cannot be taken back. Adds the tables whose rows
  // changed to `touched`, if given. Who rolls this back says where the head is (SetHead).
  Result<bool> TakeBack(TableSet* touched);
  // Forgets all but the last `count` remembered events.
  Result<void> TrimUndo(uint64_t count);
  // Everything remembered, oldest first.
  Result<std::vector<UndoEntry>> ReadUndo();
  Result<uint64_t> UndoCount();

  // Writes the head into the database. Call before the surrounding transaction commits.
  Result<void> SaveHead();

  [[nodiscard]] const StateHead& head() const;
  // After a roll back the caller says where the state is now.
  void SetHead(const SeqNum& seq, uint64_t event_hash);
  // The event at this position has no effect here, though it may have elsewhere.
  void NoteSkipped(const SeqNum& seq);

  [[nodiscard]] const std::string& schema_hash() const;
  [[nodiscard]] Database& database();

  // Replaces the state (an in-memory one, outside of a transaction) by `image` and moves head() to
  // its head, after checking that it is a state of this schema, and at the head `expected`, if
  // given. Fails with kMalformedBytes, kSchemaMismatch, kNewerFormat, kUpstreamGap (another head);
  // the state is then as before.
  Result<void> LoadImage(BytesView image, const std::optional<Head>& expected = {});

 private:
  struct Impl;
  explicit StateDb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
