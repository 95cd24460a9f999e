#include "core/eventlog/import.h"

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/event/event_codec.h"
#include "core/eventlog/event_row.h"
#include "core/sqlite/database.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/rows_reader.h"

namespace livestore {
namespace {

constexpr char kFile[] = "old.db";

// How far the backend has confirmed, its id, and what it said of the last event that it has.
#define LS_STATUS(backend_id)                                                            \
  "select head, " backend_id                                                             \
  ", (select syncMetadataJson -> '$.value' from eventlog where seqNumGlobal = head and " \
  "seqNumClient = 0) from __livestore_sync_status"
constexpr char kStatusSql04[] = LS_STATUS("backendId");
constexpr char kStatusSql03[] = LS_STATUS("null");
#undef LS_STATUS

// The events after a position, as ReadEvent wants them.
#define LS_EVENTS(generation, parent_generation)                                                \
  "select seqNumGlobal, seqNumClient, " generation                                              \
  ", parentSeqNumGlobal, parentSeqNumClient, " parent_generation                                \
  ", name, argsJson, clientId, sessionId, schemaHash, 0, 0 from eventlog where (seqNumGlobal, " \
  "seqNumClient) > (?1, ?2) order by 1, 2 limit ?3"

constexpr char kEventsSql04[] = LS_EVENTS("seqNumRebaseGeneration", "parentSeqNumRebaseGeneration");
constexpr char kEventsSql03[] = LS_EVENTS("0", "0");
#undef LS_EVENTS

Error Unusable(const char* why) { return {ErrorCode::kImportFailed, why}; }

Result<void> TakeEvents(Eventlog& log, Database& old, const char* sql) {
  const StatementId statement = LS_TRY(old.PrepareInternal(sql));
  // Whatever stands before the first event is refused too.
  for (int64_t after = std::numeric_limits<int64_t>::min();;) {
    BindsWriter binds;
    binds.Int64(after).Int64(log.local_head().client).Int64(limits::kEventlogChunkEvents);
    RowsReader reader(LS_TRY(old.Query(statement, binds.view())));
    if (reader.rows() == 0) return Ok();
    std::vector<Event> events;
    for (size_t i = 0; i < reader.rows(); ++i) {
      std::optional<Event> event = ReadEvent(reader);
      if (!event) return Unusable("one of its rows is no event");
      events.push_back(std::move(*event));
    }
    if (!Continues(log.local_head(), events)) {
      return Unusable("there is a gap between its events");
    }
    // Whatever no session could be sent is refused, in the same words.
    LS_TRY(DecodeEvents(EncodeEvents(events)));
    LS_TRY(log.Append(events));
    after = static_cast<int64_t>(log.local_head().global);
  }
}

// Writes to copies only: SQLite rolls back there what the journal tells.
Result<void> TakeAll(Eventlog& log, const LiveStoreFiles& files) {
  MemoryPool pool({kFile, std::string(kFile) + "-journal", std::string(kFile) + "-wal"});
  pool.Write(0, files.database, 0);
  pool.Write(1, files.journal, 0);
  const std::unique_ptr<PoolVfs> vfs = LS_TRY(PoolVfs::Create(pool, {}));
  const std::unique_ptr<Database> old =
      LS_TRY(Database::Open(vfs->name(), kFile, Durability::kDerived));

  LS_TRY(TakeEvents(log, *old, files.generations ? kEventsSql04 : kEventsSql03));
  const StatementId status =
      LS_TRY(old->PrepareInternal(files.generations ? kStatusSql04 : kStatusSql03));
  RowsReader reader(LS_TRY(old->Query(status, BindsWriter().view())));
  if (reader.rows() == 0) return Ok();  // It was never synced.
  const Cell head = reader.Next();
  const Cell backend_id = reader.Next();
  const Cell metadata = reader.Next();
  if (!InRange(head, kSeqNumGlobalMax)) return Unusable("its sync status is no number");
  const auto confirmed = static_cast<uint64_t>(head.integer);
  LS_TRY(log.SetBackendId(backend_id.text));
  // It says that more is confirmed than it has if it was killed between the two. Which of its
  // events are, nobody knows then. The backend does, and it is asked for all of them.
  if (confirmed == 0 || confirmed > log.local_head().global) return Ok();
  LS_TRY(log.SetUpstreamHead(confirmed));
  return log.SetSyncMetadata(confirmed, metadata.text);
}

}  // namespace

Result<uint64_t> ImportLiveStore(Eventlog& log, const LiveStoreFiles& files) {
  if (log.event_count() > 0 || log.epoch() > 0) return uint64_t{0};
  LS_TRY(log.Begin());
  Result<void> taken = log.RemoveAfter(kRootSeqNum);  // Of nothing: the next epoch.
  if (taken.ok() && !files.database.empty()) taken = TakeAll(log, files);
  if (taken.ok() && !files.database.empty() && log.event_count() == 0) {
    log.Rollback();
    return uint64_t{0};
  }
  if (taken.ok()) taken = log.Commit();
  if (taken.ok()) return log.event_count();
  log.Rollback();
  Error error = std::move(taken).error();
  if (error.code != ErrorCode::kStorageFull && error.code != ErrorCode::kStorageIo) {
    error.code = ErrorCode::kImportFailed;
    error.message.insert(0, "the eventlog of LiveStore could not be taken over: ");
  }
  return error;
}

}  // namespace livestore
