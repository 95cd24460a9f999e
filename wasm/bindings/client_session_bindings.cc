// The client session as JavaScript sees it: one class, few calls, bytes in and bytes out. What is
// called per commit or per query goes through wasm/bindings/raw_exports.cc, by slot().
//
// Called from js/src/wasm/client-session.ts and nowhere else. wasm/types/module.d.ts mirrors these
// shapes by hand; wasm/test/bindings.test.ts fails when the two differ.

#include <emscripten/bind.h>

#include <memory>
#include <string>
#include <utility>

#include "core/api/client_session.h"
#include "wasm/adapters/js_materializer.h"
#include "wasm/bindings/slots.h"
#include "wasm/convert/bytes.h"
#include "wasm/convert/reply.h"
#include "wasm/convert/values.h"

namespace livestore::wasm {
namespace {

using emscripten::val;

// Owns the engine object, what it borrows, and its slot.
class ClientSessionHandle {
 public:
  ClientSessionHandle() : slot_(TakeSlot()), materializer_(slot_) {}
  ~ClientSessionHandle() {
    session_.reset();
    ReleaseSlot(slot_);
  }
  ClientSessionHandle(const ClientSessionHandle&) = delete;
  ClientSessionHandle& operator=(const ClientSessionHandle&) = delete;

  Result<void> Open(const std::string& client_id, const std::string& session_id,
                    const std::string& instance, const std::string& schema) {
    SchemaDescriptor descriptor = LS_TRY(ParseSchemaDescriptor(schema));
    session_ = LS_TRY(ClientSession::Create({.client_id = client_id,
                                             .session_id = session_id,
                                             .instance = instance,
                                             .schema = std::move(descriptor)},
                                            materializer_));
    SlotAt(slot_).session = session_.get();
    return Ok();
  }

  [[nodiscard]] int slot() const { return slot_; }
  [[nodiscard]] ClientSession& session() const { return *session_; }

 private:
  int slot_;
  JsMaterializer materializer_;
  std::unique_ptr<ClientSession> session_;
};

// The caller owns the handle in the reply and ends it with delete().
val Open(const std::string& client_id, const std::string& session_id, const std::string& instance,
         const std::string& schema) {
  auto handle = std::make_unique<ClientSessionHandle>();
  const Result<void> opened = handle->Open(client_id, session_id, instance, schema);
  if (!opened.ok()) return ErrorReply(opened.error());
  val reply = val::object();
  reply.set("value", val(std::move(handle)));
  return reply;
}

val FollowOutcomeToJs(const FollowOutcome& outcome) {
  val rejected = val::array();
  for (size_t i = 0; i < outcome.rejected.size(); ++i) {
    const auto& [counter, event, accepted, error] = outcome.rejected[i];
    val entry = ErrorReply(error);
    entry.set("counter", static_cast<double>(counter));
    entry.set("event", BytesToJs(EncodeEvents(std::span(&event, 1))));
    entry.set("accepted", accepted);
    rejected.set(i, entry);
  }
  val object = val::object();
  object.set("stale", IdsToJs(outcome.stale));
  object.set("rejected", rejected);
  object.set("needImage", outcome.need_image);
  return object;
}

val LoadImage(ClientSessionHandle& handle, const val& image, const val& history) {
  return ToReply(handle.session().LoadImage(BytesFromJs(image), BytesFromJs(history)),
                 FollowOutcomeToJs);
}

void SetClientId(ClientSessionHandle& handle, const std::string& id) {
  handle.session().SetClientId(id);
}

val NextPush(ClientSessionHandle& handle) { return BytesOrUndefined(handle.session().NextPush()); }

val NextPassing(ClientSessionHandle& handle) {
  return BytesOrUndefined(handle.session().NextPassing());
}

val OnPassing(ClientSessionHandle& handle, const val& events) {
  return ToReply(handle.session().OnPassing(BytesFromJs(events)), FollowOutcomeToJs);
}

val PendingAsPush(const ClientSessionHandle& handle) {
  return BytesOrUndefined(handle.session().PendingAsPush());
}

val OnPushAccepted(ClientSessionHandle& handle) {
  return ToReply(handle.session().OnPushAccepted());
}

val OnPushRejected(ClientSessionHandle& handle) {
  return ToReply(handle.session().OnPushRejected());
}

val OnPushFailed(ClientSessionHandle& handle, uint32_t failed_index, uint32_t code,
                 const std::string& message) {
  return ToReply(
      handle.session().OnPushFailed(failed_index, {static_cast<ErrorCode>(code), message}),
      FollowOutcomeToJs);
}

val OnNews(ClientSessionHandle& handle, const val& news) {
  return ToReply(handle.session().OnNews(BytesFromJs(news)), FollowOutcomeToJs);
}

val OnHistory(ClientSessionHandle& handle, const val& history) {
  return ToReply(handle.session().OnHistory(BytesFromJs(history)), FollowOutcomeToJs);
}

// The cursor to join with crosses as the bytes that Leader.join takes.
val OnLeaderChange(ClientSessionHandle& handle) {
  return BytesToJs(EncodeHead(handle.session().OnLeaderChange()));
}

val ReceiptsToJs(const ClientSessionHandle& handle) {
  const Receipts receipts = handle.session().receipts();
  val object = val::object();
  object.set("committed", static_cast<double>(receipts.committed));
  object.set("persisted", static_cast<double>(receipts.persisted));
  object.set("synced", static_cast<double>(receipts.synced));
  return object;
}

val SyncStatusToJs(const ClientSessionHandle& handle) {
  const SyncStatus status = handle.session().sync_status();
  val object = val::object();
  object.set("localHead", SeqNumToJs(status.local_head));
  object.set("upstreamHead", SeqNumToJs(status.upstream_head));
  object.set("pendingCount", static_cast<uint32_t>(status.pending_count));
  return object;
}

std::string SchemaHashOf(const ClientSessionHandle& handle) {
  return handle.session().schema_hash();
}

val Image(ClientSessionHandle& handle) {
  return ToReply(handle.session().Image(), [](const Bytes& image) { return BytesToJs(image); });
}

}  // namespace

EMSCRIPTEN_BINDINGS(client_session) {
  emscripten::class_<ClientSessionHandle>("ClientSession")
      .class_function("open", &Open)
      .function("slot", &ClientSessionHandle::slot)
      .function("schemaHash", &SchemaHashOf)
      .function("loadImage", &LoadImage)
      .function("setClientId", &SetClientId)
      .function("nextPush", &NextPush)
      .function("nextPassing", &NextPassing)
      .function("onPassing", &OnPassing)
      .function("onPushAccepted", &OnPushAccepted)
      .function("onPushRejected", &OnPushRejected)
      .function("onPushFailed", &OnPushFailed)
      .function("onNews", &OnNews)
      .function("onHistory", &OnHistory)
      .function("onLeaderChange", &OnLeaderChange)
      .function("pendingAsPush", &PendingAsPush)
      .function("receipts", &ReceiptsToJs)
      .function("syncStatus", &SyncStatusToJs)
      .function("image", &Image);
}

}  // namespace livestore::wasm
