// The leader as JavaScript sees it: one class, few calls, bytes in and bytes out.
//
// Called from js/src/wasm/leader.ts and nowhere else. wasm/types/module.d.ts mirrors these shapes
// by hand; wasm/test/bindings.test.ts fails when the two differ.

#include <emscripten/bind.h>
#include <emscripten/em_js.h>

#include <memory>
#include <string>
#include <utility>

#include "core/api/leader.h"
#include "wasm/adapters/js_materializer.h"
#include "wasm/bindings/slots.h"
#include "wasm/convert/bytes.h"
#include "wasm/convert/reply.h"
#include "wasm/convert/values.h"
#include "wasm/vfs/opfs_pool.h"

namespace livestore::wasm {
namespace {

using emscripten::val;

// clang-format off
EM_JS(double, ls_host_now_ms, (), { return Date.now(); })
EM_JS(void, ls_host_random_bytes, (uint8_t* out, uint32_t size), {
  crypto.getRandomValues(HEAPU8.subarray(out, out + size));
})
// clang-format on

VfsEnvironment BrowserEnvironment() {
  return {
      .now_ms = [](void*) { return static_cast<int64_t>(ls_host_now_ms()); },
      .random_bytes = [](void*, uint8_t* out,
                         size_t size) { ls_host_random_bytes(out, static_cast<uint32_t>(size)); },
      .context = nullptr};
}

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

  Result<void> Open(const std::string& schema) {
    SchemaDescriptor descriptor = LS_TRY(ParseSchemaDescriptor(schema));
    vfs_ = LS_TRY(PoolVfs::Create(*pool_, BrowserEnvironment()));
    leader_ = LS_TRY(
        Leader::Open({.schema = std::move(descriptor), .vfs_name = vfs_->name()}, materializer_));
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

// The caller owns the handle in the reply and ends it with delete().
val Open(int pool, const std::string& schema) {
  auto handle = std::make_unique<LeaderHandle>(pool);
  const Result<void> opened = handle->Open(schema);
  if (!opened.ok()) return ErrorReply(opened.error());
  val reply = val::object();
  reply.set("value", val(std::move(handle)));
  return reply;
}

val FileNames() {
  val names = val::array();
  const std::vector<std::string> all = LeaderFileNames();
  for (size_t i = 0; i < all.size(); ++i) names.set(i, all[i]);
  return names;
}

val BootStep(LeaderHandle& handle) {
  return ToReply(handle.leader().BootStep(), [](const BootProgress& progress) {
    val object = val::object();
    object.set("stage", static_cast<int>(progress.stage));
    object.set("done", static_cast<double>(progress.done));
    object.set("total", static_cast<double>(progress.total));
    return object;
  });
}

val Submit(LeaderHandle& handle, uint32_t session, uint32_t push, const val& events) {
  return ToReply(handle.leader().Submit(session, push, BytesFromJs(events)));
}

val DrainEntryToJs(const DrainOutcome::Entry& entry) {
  val object = val::object();
  if (entry.advance) {
    object.set("author", entry.advance->author);
    object.set("events", BytesToJs(entry.advance->events));
    return object;
  }
  const PushResult& result = *entry.result;
  object.set("session", result.session);
  object.set("push", result.push);
  object.set("answer", static_cast<int>(result.answer));
  if (result.answer == PushAnswer::kFailed) {
    object.set("failedIndex", result.failed_index);
    object.set("code", static_cast<uint32_t>(result.error.code));
    object.set("message", result.error.message);
  }
  return object;
}

val Drain(LeaderHandle& handle) {
  return ToReply(handle.leader().Drain(), [](const DrainOutcome& outcome) {
    val entries = val::array();
    for (size_t i = 0; i < outcome.entries.size(); ++i) {
      entries.set(i, DrainEntryToJs(outcome.entries[i]));
    }
    return entries;
  });
}

val EventsAfter(LeaderHandle& handle, const val& cursor) {
  const Result<SeqNum> seq = SeqNumFromJs(cursor);
  if (!seq.ok()) return ErrorReply(seq.error());
  return ToReply(handle.leader().EventsAfter(*seq), [](const std::optional<Bytes>& events) {
    return events ? BytesToJs(*events) : val::undefined();
  });
}

val Image(LeaderHandle& handle) {
  return ToReply(handle.leader().Image(), [](const Bytes& image) { return BytesToJs(image); });
}

val LocalHead(const LeaderHandle& handle) { return SeqNumToJs(handle.leader().local_head()); }

std::string SchemaHashOf(const LeaderHandle& handle) { return handle.leader().schema_hash(); }

val CountersToJs(const LeaderHandle& handle) {
  const LeaderCounters counters = handle.leader().counters();
  const PoolVfs::Counters calls = handle.vfs().counters();
  val object = val::object();
  object.set("eventsAppended", static_cast<double>(counters.events_appended));
  object.set("groups", static_cast<double>(counters.groups));
  object.set("eventsReplayed", static_cast<double>(counters.events_replayed));
  object.set("rebuilds", static_cast<double>(counters.rebuilds));
  object.set("damagedStates", static_cast<double>(counters.damaged_states));
  object.set("storageReads", static_cast<double>(calls.reads));
  object.set("storageWrites", static_cast<double>(calls.writes));
  object.set("storageFlushes", static_cast<double>(calls.flushes));
  return object;
}

}  // namespace

EMSCRIPTEN_BINDINGS(leader) {
  // For the databases of sessions too, which have no VFS of their own, and for SQLite's random
  // generator, which is one for the whole module.
  SetProcessEnvironment(BrowserEnvironment());

  emscripten::class_<LeaderHandle>("Leader")
      .class_function("open", &Open)
      .class_function("fileNames", &FileNames)
      .function("slot", &LeaderHandle::slot)
      .function("schemaHash", &SchemaHashOf)
      .function("bootStep", &BootStep)
      .function("submit", &Submit)
      .function("drain", &Drain)
      .function("eventsAfter", &EventsAfter)
      .function("image", &Image)
      .function("localHead", &LocalHead)
      .function("counters", &CountersToJs);
}

}  // namespace livestore::wasm
