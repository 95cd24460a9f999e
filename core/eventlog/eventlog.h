// Eventlog: the ordered log of a store, the truth from which everything else is derived.
//
// One SQLite database, table and column names as LiveStore 0.4 has them, so that its tools and data
// stay readable:
//
//     eventlog(seqNumGlobal, seqNumClient, seqNumRebaseGeneration,       primary key
//              parentSeqNumGlobal, parentSeqNumClient, parentSeqNumRebaseGeneration,
//              name, argsJson, clientId, sessionId, schemaHash, syncMetadataJson)        STRICT
//     __livestore_sync_status(head primary key, backendId)               one row
//
// Format history (PRAGMA user_version): 1, the first. A higher number is refused with kNewerFormat;
// a file without our PRAGMA application_id, or that is damaged, with kCorruptEventlog. No byte is
// written before that is known.
//
// What always holds: the log continues without gaps from e0 (checked at each append, and by Range
// when it reads). Rows are only ever appended, so the rowid of an event is its ordinal, from 1.
//
// A failed group leaves the log as it was before Begin. The connection may be unusable then, since
// a failure of storage is sticky in the VFS, so the next call opens the file anew. Should a group
// have reached the storage whole, although its flush failed, it is taken out again there.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/event/event.h"
#include "core/sqlite/database.h"

namespace livestore {

class Eventlog {
 public:
  // Opens or creates the log in `file` on the VFS `vfs_name` (an empty name: in memory). Fails with
  // kCorruptEventlog, kNewerFormat (the file is then untouched), kStorageFull, kStorageIo.
  static Result<std::unique_ptr<Eventlog>> Open(const std::string& vfs_name,
                                                const std::string& file);
  ~Eventlog();

  // The last event's number; e0 for an empty log.
  [[nodiscard]] SeqNum local_head() const;
  // The greatest global number a sync backend has confirmed.
  [[nodiscard]] uint64_t upstream_head() const;
  [[nodiscard]] uint64_t event_count() const;

  // Opens the group transaction; Append may be called until Commit or Rollback. REQUIRES: no group
  // is open.
  Result<void> Begin();
  // A failure ends the group: nothing of it is in the log. REQUIRES: a group is open, and events
  // continue local_head (LS_CHECK).
  Result<void> Append(std::span<const Event> events);
  // Returns after the bytes are flushed. A failure ends the group: nothing of it is in the log.
  // REQUIRES: a group is open.
  Result<void> Commit();
  // Ends the group; nothing of it is in the log. Does nothing without one.
  void Rollback();

  // Up to `count` events after the position `after`, in order; those of an open group included.
  // Fewer when their arguments exceed limits::kEventlogChunkBytes, but none only at the end of the
  // log. A gap before, between or after them is kCorruptEventlog, as is a row that is no event.
  Result<std::vector<Event>> Range(const SeqNum& after, uint32_t count);
  // True if the log holds an event at exactly this number, generation included (or `seq` is e0).
  Result<bool> Holds(const SeqNum& seq);
  // How many events lie after this position, which need not be in the log.
  Result<uint64_t> CountAfter(const SeqNum& position);
  // The event at this position, if any.
  Result<std::optional<Event>> At(const SeqNum& position);

  [[nodiscard]] Database& database();

 private:
  struct Impl;
  explicit Eventlog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
