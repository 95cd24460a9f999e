// The leader as JavaScript sees it: one class, few calls, bytes in and bytes out.
//
// Called from js/src/wasm/leader.ts and nowhere else. wasm/types/module.d.ts mirrors these shapes
// by hand; wasm/test/bindings.test.ts fails when the two differ.

#include <emscripten/bind.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/api/leader.h"
#include "wasm/adapters/js_materializer.h"
#include "wasm/bindings/slots.h"
#include "wasm/convert/js_object.h"
#include "wasm/convert/reply.h"
#include "wasm/convert/values.h"
#include "wasm/vfs/host_environment.h"
#include "wasm/vfs/opfs_pool.h"

namespace livestore::wasm {
namespace {

using emscripten::val;

// Owns the engine object, its files and its slot. Members end in reverse order: the leader closes
// its databases before the VFS goes, and the VFS before the pool.
class LeaderHandle {
 public:
  // A pool number below 0 keeps the files in memory.
  explicit LeaderHandle(int pool) : slot_(TakeSlot()), materializer_(slot_) {
    if (pool < 0) {
      pool_ = std::make_unique<MemoryPool>(LeaderFileNames());
    } else {
      pool_ = std::make_unique<OpfsPool>(pool);
    }
  }
  ~LeaderHandle() {
    leader_.reset();
    ReleaseSlot(slot_);
  }
  LeaderHandle(const LeaderHandle&) = delete;
  LeaderHandle& operator=(const LeaderHandle&) = delete;

  Result<void> Open(LeaderOptions options) {
    vfs_ = LS_TRY(PoolVfs::Create(*pool_, HostEnvironment()));
    options.vfs_name = vfs_->name();
    leader_ = LS_TRY(Leader::Open(std::move(options), materializer_));
    SlotAt(slot_).leader = leader_.get();
    return Ok();
  }

  [[nodiscard]] int slot() const { return slot_; }
  [[nodiscard]] Leader& leader() const { return *leader_; }
  [[nodiscard]] const PoolVfs& vfs() const { return *vfs_; }

 private:
  int slot_;
  JsMaterializer materializer_;
  std::unique_ptr<StoragePool> pool_;
  std::unique_ptr<PoolVfs> vfs_;
  std::unique_ptr<Leader> leader_;
};

// The caller owns the handle and ends it with delete(); open() comes first, and once.
LeaderHandle* Create(int pool) { return new LeaderHandle(pool); }

// A backend number below 0 is no backend; 1 is one that can pull live, 0 one that cannot.
val Open(LeaderHandle& handle, const std::string& schema, int backend, uint32_t jitter_seed,
         int on_mismatch, const std::string& client_id, const std::string& spare_client_id) {
  Result<SchemaDescriptor> descriptor = ParseSchemaDescriptor(schema);
  if (!descriptor.ok()) return ErrorReply(descriptor.error());
  LeaderOptions options{.schema = std::move(*descriptor),
                        .on_backend_id_mismatch = static_cast<BackendIdMismatch>(on_mismatch),
                        .client_id = client_id,
                        .spare_client_id = spare_client_id};
  if (backend >= 0) options.backend = {.live_pull = backend == 1, .jitter_seed = jitter_seed};
  return ToReply(handle.Open(std::move(options)));
}

val FileNames() {
  val names = MakeArray();
  const std::vector<std::string> all = LeaderFileNames();
  for (const std::string& name : all) PutText(names, nullptr, name);
  return names;
}

// Bytes of files of LiveStore; an empty database says that there is none.
val ImportLiveStore(LeaderHandle& handle, const val& database, const val& journal,
                    bool generations) {
  const Bytes database_bytes = BytesFromJs(database);
  const Bytes journal_bytes = BytesFromJs(journal);
  return ToReply(
      handle.leader().ImportLiveStore(
          {.database = database_bytes, .journal = journal_bytes, .generations = generations}),
      [](uint64_t events) { return val(static_cast<double>(events)); });
}

val BootStep(LeaderHandle& handle) {
  return ToReply(handle.leader().BootStep(), [](const BootProgress& progress) {
    val object = MakeObject();
    PutNumber(object, "stage", static_cast<int>(progress.stage));
    PutNumber(object, "done", static_cast<double>(progress.done));
    PutNumber(object, "total", static_cast<double>(progress.total));
    return object;
  });
}

val Submit(LeaderHandle& handle, uint32_t session, uint32_t push, const val& bytes) {
  return ToReply(handle.leader().Submit(session, push, BytesFromJs(bytes)));
}

val SubmitOrphans(LeaderHandle& handle, const val& bytes) {
  return ToReply(handle.leader().SubmitOrphans(BytesFromJs(bytes)));
}

val DrainEntryToJs(const DrainOutcome::Entry& entry) {
  val object = MakeObject();
  if (entry.news) {
    PutNumber(object, "author", entry.news->author);
    PutBytes(object, "news", entry.news->news);
    return object;
  }
  const PushResult& result = *entry.result;
  PutNumber(object, "session", result.session);
  PutNumber(object, "push", result.push);
  PutNumber(object, "answer", static_cast<int>(result.answer));
  if (result.answer == PushAnswer::kFailed) {
    PutNumber(object, "failedIndex", result.failed_index);
    PutNumber(object, "code", static_cast<int>(result.error.code));
    PutText(object, "message", result.error.message);
  }
  return object;
}

// Of what is skipped or refused.
val ReportToJs(const FailedEvent& report) {
  val object = ErrorReply(report.error);
  PutBytes(object, "event", EncodeEvents(std::span(&report.event, 1)));
  return object;
}

template <typename T, typename ToJs>
val ArrayToJs(const std::vector<T>& items, ToJs to_js) {
  val array = MakeArray();
  for (const T& item : items) Put(array, nullptr, to_js(item));
  return array;
}

val Drain(LeaderHandle& handle) {
  return ToReply(handle.leader().Drain(), [](const DrainOutcome& outcome) {
    val object = MakeObject();
    Put(object, "entries", ArrayToJs(outcome.entries, DrainEntryToJs));
    PutFlag(object, "rejoin", outcome.rejoin);
    Put(object, "skipped", ArrayToJs(outcome.skipped, ReportToJs));
    Put(object, "refused", ArrayToJs(outcome.refused, ReportToJs));
    return object;
  });
}

bool HasWork(const LeaderHandle& handle) { return handle.leader().HasWork(); }

// `cursor` is what ClientSession.onLeaderChange gave, or undefined.
val Join(LeaderHandle& handle, const val& cursor, const std::string& instance) {
  std::optional<Cursor> from;
  if (!cursor.isUndefined()) {
    const Result<Cursor> decoded = DecodeCursor(BytesFromJs(cursor));
    if (!decoded.ok()) return ErrorReply(decoded.error());
    from = *decoded;
  }
  return ToReply(handle.leader().Join(from, instance), [](const Joined& joined) {
    val object = MakeObject();
    Put(object, "image", BytesOrUndefined(joined.image));
    PutBytes(object, "history", joined.history);
    PutText(object, "clientId", joined.client_id);
    return object;
  });
}

// ---- The sync backend. Times are whole milliseconds.

val RequestToJs(const BackendRequest& request) {
  val object = MakeObject();
  PutNumber(object, "kind", static_cast<int>(request.kind));
  PutNumber(object, "number", request.number);
  PutText(object, "backendId", request.backend_id);
  if (request.kind == BackendRequest::Kind::kPull) {
    PutNumber(object, "cursor", static_cast<double>(request.cursor));
    PutText(object, "cursorMetadata", request.cursor_metadata);
    PutFlag(object, "live", request.live);
  } else if (request.kind == BackendRequest::Kind::kPush) {
    PutBytes(object, "events", request.events);
  }
  return object;
}

val NextRequests(LeaderHandle& handle, double now_ms) {
  return ToReply(
      handle.leader().NextRequests(static_cast<int64_t>(now_ms)),
      [](const std::vector<BackendRequest>& requests) { return ArrayToJs(requests, RequestToJs); });
}

val WakeAt(const LeaderHandle& handle, double now_ms) {
  const std::optional<int64_t> wake = handle.leader().WakeAt(static_cast<int64_t>(now_ms));
  return wake ? val(static_cast<double>(*wake)) : val::undefined();
}

val OnPulled(LeaderHandle& handle, uint32_t pull, const val& page, bool caught_up, double now_ms) {
  return ToReply(
      handle.leader().OnPulled(pull, BytesFromJs(page), caught_up, static_cast<int64_t>(now_ms)));
}

void OnPullEnded(LeaderHandle& handle, uint32_t pull, double now_ms) {
  handle.leader().OnPullEnded(pull, static_cast<int64_t>(now_ms));
}

void OnPullFailed(LeaderHandle& handle, uint32_t pull, double now_ms) {
  handle.leader().OnPullFailed(pull, static_cast<int64_t>(now_ms));
}

void OnPushTaken(LeaderHandle& handle, uint32_t push) { handle.leader().OnPushTaken(push); }

void OnPushFailed(LeaderHandle& handle, uint32_t push, int failure, double now_ms) {
  handle.leader().OnPushFailed(push, static_cast<BackendFailure>(failure),
                               static_cast<int64_t>(now_ms));
}

void OnPushRefused(LeaderHandle& handle, uint32_t push, uint32_t index, const std::string& reason,
                   double now_ms) {
  handle.leader().OnPushRefused(push, index, reason, static_cast<int64_t>(now_ms));
}

void OnBackendReplaced(LeaderHandle& handle, const std::string& id) {
  handle.leader().OnBackendReplaced(id);
}

void OnConnection(LeaderHandle& handle, bool online) { handle.leader().OnConnection(online); }

val SyncStatusToJs(const LeaderHandle& handle) {
  const LeaderSyncStatus status = handle.leader().sync_status();
  val object = MakeObject();
  Put(object, "localHead", SeqNumToJs(status.local_head));
  PutNumber(object, "upstreamHead", static_cast<double>(status.upstream_head));
  PutNumber(object, "pendingCount", static_cast<double>(status.pending_count));
  PutFlag(object, "online", status.online);
  PutFlag(object, "caughtUp", status.caught_up);
  PutFlag(object, "halted", status.halted);
  return object;
}

val Image(LeaderHandle& handle) {
  return ToReply(handle.leader().Image(), [](const Bytes& image) { return BytesToJs(image); });
}

val SettledAfter(LeaderHandle& handle, double global, uint32_t count) {
  return ToReply(handle.leader().SettledAfter(static_cast<uint64_t>(global), count),
                 [](const Bytes& events) { return BytesToJs(events); });
}

val LocalHead(const LeaderHandle& handle) { return SeqNumToJs(handle.leader().local_head()); }

std::string SchemaHashOf(const LeaderHandle& handle) { return handle.leader().schema_hash(); }

val CountersToJs(const LeaderHandle& handle) {
  const LeaderCounters counters = handle.leader().counters();
  const PoolVfs::Counters calls = handle.vfs().counters();
  val object = MakeObject();
  PutNumber(object, "eventsAppended", static_cast<double>(counters.events_appended));
  PutNumber(object, "groups", static_cast<double>(counters.groups));
  PutNumber(object, "eventsReplayed", static_cast<double>(counters.events_replayed));
  PutNumber(object, "rebuilds", static_cast<double>(counters.rebuilds));
  PutNumber(object, "damagedStates", static_cast<double>(counters.damaged_states));
  PutNumber(object, "rebases", static_cast<double>(counters.rebases));
  PutNumber(object, "eventsRebased", static_cast<double>(counters.events_rebased));
  PutNumber(object, "eventsTakenBack", static_cast<double>(counters.events_taken_back));
  PutNumber(object, "eventsPulled", static_cast<double>(counters.events_pulled));
  PutNumber(object, "storageReads", static_cast<double>(calls.reads));
  PutNumber(object, "storageWrites", static_cast<double>(calls.writes));
  PutNumber(object, "storageFlushes", static_cast<double>(calls.flushes));
  return object;
}

}  // namespace

EMSCRIPTEN_BINDINGS(leader) {
  // For the databases of sessions too, which have no VFS of their own, and for SQLite's random
  // generator, which is one for the whole module.
  SetProcessEnvironment(HostEnvironment());

  emscripten::class_<LeaderHandle>("Leader")
      .class_function("create", &Create, emscripten::allow_raw_pointers())
      .class_function("fileNames", &FileNames)
      .function("open", &Open)
      .function("slot", &LeaderHandle::slot)
      .function("schemaHash", &SchemaHashOf)
      .function("importLiveStore", &ImportLiveStore)
      .function("bootStep", &BootStep)
      .function("submit", &Submit)
      .function("submitOrphans", &SubmitOrphans)
      .function("drain", &Drain)
      .function("hasWork", &HasWork)
      .function("join", &Join)
      .function("nextRequests", &NextRequests)
      .function("wakeAt", &WakeAt)
      .function("onPulled", &OnPulled)
      .function("onPullEnded", &OnPullEnded)
      .function("onPullFailed", &OnPullFailed)
      .function("onPushTaken", &OnPushTaken)
      .function("onPushFailed", &OnPushFailed)
      .function("onPushRefused", &OnPushRefused)
      .function("onBackendReplaced", &OnBackendReplaced)
      .function("onConnection", &OnConnection)
      .function("syncStatus", &SyncStatusToJs)
      .function("image", &Image)
      .function("settledAfter", &SettledAfter)
      .function("localHead", &LocalHead)
      .function("counters", &CountersToJs);
}

}  // namespace livestore::wasm
