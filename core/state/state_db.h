// StateDb: the tables derived from the eventlog, and the record of which event they reflect.
//
//     __livestore_state(id=1, formatVersion, schemaHash, seqNumGlobal, seqNumClient,
//                       seqNumRebaseGeneration, eventHash)
//
// eventHash is the identity of the event at that number, so that a state that reflects another
// history is noticed. Written in the same transaction as the tables: state and its head cannot
// disagree.
//
// Used by the leader (persisted, on the pool VFS) and by the client session (in memory). Knows
// statements and changesets, nothing of sync.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/base/result.h"
#include "core/event/event.h"
#include "core/sqlite/database.h"
#include "core/sqlite/savepoint.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"

namespace livestore {

struct Materialized {
  Bytes changeset;       // Empty if the event changed nothing, or nothing was recorded.
  TableSet tables;       // Written, whether or not rows changed.
  bool undoable = true;  // False if a table without primary key was written.
};

// What a state image says of itself.
struct StateHead {
  SeqNum seq;
  uint64_t event_hash = 0;
  std::string schema_hash;
};

// Identity of an event for StateHead: position, name, arguments, client and session. e0 is 0.
uint64_t EventHash(const Event& event);

class StateDb {
 public:
  // Takes over an open database. Creates nothing yet: see ReadHead and Recreate.
  static Result<std::unique_ptr<StateDb>> Create(std::unique_ptr<Database> database,
                                                 SchemaDescriptor schema, Materializer& materializer);

  // The recorded head, or nullopt when the database is empty or was left by nothing of ours. Fails
  // with kNewerFormat for a state written by a newer version, kCorruptState for damage.
  Result<std::optional<StateHead>> ReadHead();

  // Drops every table and creates those of the schema, empty, with head e0. The caller holds a
  // savepoint when this must be atomic with what follows.
  Result<void> Recreate();

  enum class Record { kChangeset, kNothing };
  // Runs the materializer of `event` and its statements in a savepoint, and moves the in-memory head
  // to it (SaveHead writes it). On failure state and head are as before. The message of an error
  // names the event.
  Result<Materialized> Materialize(const Event& event, int local_index, Record record);

  // Writes the head into the database. Call before the surrounding transaction commits.
  Result<void> SaveHead();

  [[nodiscard]] const StateHead& head() const;
  // After a roll back the caller says where the state is now.
  void SetHead(const SeqNum& seq, uint64_t event_hash);

  [[nodiscard]] const std::string& schema_hash() const;
  [[nodiscard]] Database& database();

  // Loads `image` (an in-memory state only) after checking that it is a state of this schema. Fails
  // with kMalformedBytes, kSchemaMismatch, kNewerFormat; the state is then as before.
  Result<void> LoadImage(BytesView image);

 private:
  struct Impl;
  explicit StateDb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;

 public:
  ~StateDb();
};

}  // namespace livestore
