// Eventlog: the ordered log of a store, the truth from which everything else is derived.
//
// One SQLite database, table and column names as LiveStore 0.4 has them, so that its tools and data
// stay readable:
//
//     eventlog(seqNumGlobal, seqNumClient, seqNumRebaseGeneration,       primary key
//              parentSeqNumGlobal, parentSeqNumClient, parentSeqNumRebaseGeneration,
//              name, argsJson, clientId, sessionId, schemaHash, syncMetadataJson)        STRICT
//     __livestore_sync_status(head primary key, backendId,               one row
//                             givenClientId, ownClientId,                SetClientId
//                             epoch)                                     RemoveAfter
//
// and of ours two more columns, sessionNumber and sessionCounter (EventOrigin), and
//
//     __livestore_session(number primary key, instance unique, accepted, ordinal)    SetAccepted
//     __livestore_refused(id primary key, number, counter, code, reason)             AddRefused
//
// Format history (PRAGMA user_version): 1, the first. A higher number is refused with kNewerFormat;
// a file without our PRAGMA application_id, or that is damaged, with kCorruptEventlog. No byte is
// written before that is known.
//
// What always holds: the log continues without gaps from e0 (checked at each append, and by Range
// when it reads). Rows are appended at the end and removed from the end, so the rowid of an event
// is its ordinal, from 1.
//
// A group that fails before its Commit leaves the log as it was. The connection may be unusable
// then, since a failure of storage is sticky in the VFS, so the next call opens the file anew.
// After a failed Commit nobody knows whether the group has reached the storage: the log is lost()
// until Reopen, which believes what is there, whole group or none of it.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/event/event.h"
#include "core/event/event_codec.h"
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
  // The same with its identity.
  [[nodiscard]] Head head() const;
  // The greatest global number a sync backend has confirmed.
  [[nodiscard]] uint64_t upstream_head() const;
  [[nodiscard]] uint64_t event_count() const;
  // How often RemoveAfter was called in all of its life: see Cursor.
  [[nodiscard]] uint64_t epoch() const;

  // Opens the group transaction; Append may be called until Commit or Rollback. REQUIRES: no group
  // is open.
  Result<void> Begin();
  // A failure of this call or any up to Commit ends the group: nothing of it is in the log.
  // REQUIRES: a group is open, and events continue local_head (LS_CHECK).
  Result<void> Append(std::span<const Event> events);
  // Removes the events after `keep`; those that are to be renumbered are appended again. Who
  // removes confirmed events sets the upstream head back too. REQUIRES: a group is open; an event
  // stands at the position `keep`, or it is e0 (LS_CHECK).
  Result<void> RemoveAfter(const SeqNum& keep);
  // The backend has confirmed everything up to this global number. REQUIRES: a group is open; the
  // log has it (LS_CHECK).
  Result<void> SetUpstreamHead(uint64_t global);
  // What the backend said of the synced event with this global number, as JSON text, or an empty
  // text for nothing. REQUIRES: a group is open; the log has the event (LS_CHECK).
  Result<void> SetSyncMetadata(uint64_t global, std::string_view json);
  // The log has, or refused for good, all events of this session object up to this counter; a lower
  // one than before changes nothing. Remembers limits::kSessionsRememberedMax session objects, the
  // last ones used. REQUIRES: a group is open.
  Result<void> SetAccepted(std::string_view instance, uint64_t counter);
  // The number by which events name this session object as their origin. REQUIRES: a group is open.
  Result<int64_t> NumberOf(std::string_view instance);
  // The backend has refused the event of this origin, which is removed. Remembers
  // limits::kRefusedRememberedMax. REQUIRES: a group is open.
  Result<void> AddRefused(const EventOrigin& origin, const Error& error);
  // Empty text for none. REQUIRES: a group is open.
  Result<void> SetBackendId(std::string_view id);
  // Whoever says that this client is `given` is told from now on that it is `own`. REQUIRES: a
  // group is open.
  Result<void> SetClientId(std::string_view given, std::string_view own);
  // Returns after the bytes are flushed. After a failure the log is lost(); in memory, where
  // storage does not fail, nothing of the group is in it. REQUIRES: a group is open, and the
  // upstream head is in the log (LS_CHECK).
  Result<void> Commit();
  // Ends the group; nothing of it is in the log. Does nothing without one.
  void Rollback();
  // True after a failed Commit: storage holds the log before it or the log after it, and nobody
  // knows which. Until Reopen has found out, Begin and everything that reads may not be called
  // (LS_CHECK); the heads are those before the group.
  [[nodiscard]] bool lost() const;
  // Opens the file anew and believes what is there, after flushing it if it is not what was known.
  // On failure the log stays as lost as it was; try again. Does nothing in memory. REQUIRES: no
  // group is open.
  Result<void> Reopen();

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
  // The last event before the first synced one after `position`, or the last of all: where the
  // client-only events that follow `position` end. `position` itself if none do. REQUIRES: an event
  // stands there, or it is e0.
  Result<Head> EndOfClientOnly(const SeqNum& position);
  // 0 for a session object that is not known.
  Result<uint64_t> Accepted(std::string_view instance);
  // What became of the events of a session object: those refused, and, for each event of the log
  // after a position, which of its events it is (0: of none).
  Result<std::vector<RefusedCommit>> Refused(std::string_view instance);
  Result<std::vector<uint64_t>> CountersAfter(const SeqNum& position, std::string_view instance);
  // JSON text of the metadata of this synced event, or an empty text for none.
  Result<std::string> SyncMetadata(uint64_t global);
  [[nodiscard]] const std::string& backend_id() const;
  // What SetClientId says of `given`, else itself.
  [[nodiscard]] std::string ClientId(const std::string& given) const;
  // True if the log holds an event of this session.
  Result<bool> HasEventsOf(std::string_view client_id, std::string_view session_id);

  [[nodiscard]] Database& database();

 private:
  struct Impl;
  explicit Eventlog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
