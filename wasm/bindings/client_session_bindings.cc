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
#include "wasm/convert/js_object.h"
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

// The caller owns the handle and ends it with delete(); open() comes first, and once.
ClientSessionHandle* Create() { return new ClientSessionHandle(); }

val Open(ClientSessionHandle& handle, const std::string& client_id, const std::string& session_id,
         const std::string& instance, const std::string& schema) {
  return ToReply(handle.Open(client_id, session_id, instance, schema));
}

val FollowOutcomeToJs(const FollowOutcome& outcome) {
  val rejected = MakeArray();
  for (const auto& [counter, event, accepted, error] : outcome.rejected) {
    val entry = ErrorReply(error);
    PutNumber(entry, "counter", static_cast<double>(counter));
    PutBytes(entry, "event", EncodeEvents(std::span(&event, 1)));
    PutFlag(entry, "accepted", accepted);
    Put(rejected, nullptr, entry);
  }
  val stale = MakeArray();
  for (const LiveQueryId id : outcome.stale) PutNumber(stale, nullptr, id);
  val object = MakeObject();
  Put(object, "stale", stale);
  Put(object, "rejected", rejected);
  PutFlag(object, "needImage", outcome.need_image);
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
  return BytesToJs(EncodeCursor(handle.session().OnLeaderChange()));
}

val ReceiptsToJs(const ClientSessionHandle& handle) {
  const Receipts receipts = handle.session().receipts();
  val object = MakeObject();
  PutNumber(object, "committed", static_cast<double>(receipts.committed));
  PutNumber(object, "persisted", static_cast<double>(receipts.persisted));
  PutNumber(object, "synced", static_cast<double>(receipts.synced));
  PutFlag(object, "hasBackend", receipts.has_backend);
  return object;
}

val SyncStatusToJs(const ClientSessionHandle& handle) {
  const SyncStatus status = handle.session().sync_status();
  val object = MakeObject();
  Put(object, "localHead", SeqNumToJs(status.local_head));
  Put(object, "upstreamHead", SeqNumToJs(status.upstream_head));
  PutNumber(object, "pendingCount", status.pending_count);
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
      .class_function("create", &Create, emscripten::allow_raw_pointers())
      .function("open", &Open)
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
