// The raw exports: what is called often, with packed bytes instead of Embind values. One crossing
// carries a whole commit or a whole result.
//
//     ls_input(n)  JavaScript writes  ls_commit(slot, n)  JavaScript reads ls_output()
//
// Called from js/src/wasm and nowhere else. Each returns -1 with an error in the output, or what is
// said beside it. Byte formats: core/sqlite/row_codec.h, core/event/event_codec.h.

#include <emscripten/em_macros.h>

#include <optional>
#include <string>
#include <vector>

#include "wasm/bindings/buffers.h"
#include "wasm/bindings/slots.h"

namespace livestore::wasm {
namespace {

Error NoSlot() { return {ErrorCode::kClosed, "this engine object has been closed"}; }

}  // namespace

}  // namespace livestore::wasm

using namespace livestore;        // NOLINT: the exports below are C functions at global scope.
using namespace livestore::wasm;  // NOLINT

extern "C" {

// SQL text in the input. Returns the statement's number; output:
// columns:u32 parameters:u32 reads:u32 writes:u32, then each as length:u32 utf8 pad to 4.
EMSCRIPTEN_KEEPALIVE int ls_prepare(int slot, uint32_t sql_bytes) {
  Slot* engine = FindSlot(slot);
  if (engine == nullptr) return SetErrorOutput(NoSlot());
  const Result<StatementId> statement = engine->Prepare(AsText(InputBytes(sql_bytes)));
  if (!statement.ok()) return SetErrorOutput(statement.error());
  const StatementInfo& info = engine->Info(*statement);
  ByteWriter writer;
  writer.U32(static_cast<uint32_t>(info.columns.size()));
  writer.U32(static_cast<uint32_t>(info.parameters.size()));
  writer.U32(static_cast<uint32_t>(info.reads.tables().size()));
  writer.U32(static_cast<uint32_t>(info.writes.tables().size()));
  for (const std::string& column : info.columns) WriteText(writer, column);
  for (const std::string& parameter : info.parameters) WriteText(writer, parameter);
  for (const TableId table : info.reads.tables()) WriteText(writer, engine->TableName(table));
  for (const TableId table : info.writes.tables()) WriteText(writer, engine->TableName(table));
  SetOutput(writer.Take());
  return static_cast<int>(*statement);
}

// Binds in the input. Returns 0 with rows in the output, valid until the next export of this slot.
EMSCRIPTEN_KEEPALIVE int ls_query(int slot, uint32_t statement, uint32_t binds_bytes) {
  Slot* engine = FindSlot(slot);
  if (engine == nullptr) return SetErrorOutput(NoSlot());
  const Result<BytesView> rows = engine->Query(statement, InputBytes(binds_bytes));
  if (!rows.ok()) return SetErrorOutput(rows.error());
  SetOutput(*rows);
  return 0;
}

// New events in the input; a session only. Returns 0; output: count:u32, stale live query:u32 each.
EMSCRIPTEN_KEEPALIVE int ls_commit(int slot, uint32_t bytes) {
  Slot* engine = FindSlot(slot);
  if (engine == nullptr || engine->session == nullptr) return SetErrorOutput(NoSlot());
  bool passing = false;
  const Result<std::vector<NewEvent>> events = DecodeNewEvents(InputBytes(bytes), &passing);
  if (!events.ok()) return SetErrorOutput(events.error());
  const Result<std::vector<LiveQueryId>> stale =
      passing ? engine->session->CommitPassing(*events) : engine->session->Commit(*events);
  if (!stale.ok()) return SetErrorOutput(stale.error());
  ByteWriter writer;
  writer.U32(static_cast<uint32_t>(stale->size()));
  for (const LiveQueryId id : *stale) writer.U32(id);
  SetOutput(writer.Take());
  return 0;
}

// Binds in the input; column and parameter are a RowKey. Returns the live query's number.
EMSCRIPTEN_KEEPALIVE int ls_live_open(int slot, uint32_t statement, uint32_t binds_bytes,
                                      uint32_t column, uint32_t parameter) {
  Slot* engine = FindSlot(slot);
  if (engine == nullptr || engine->session == nullptr) return SetErrorOutput(NoSlot());
  const Result<LiveQueryId> query =
      engine->session->live_queries().Open(statement, InputBytes(binds_bytes), {column, parameter});
  if (!query.ok()) return SetErrorOutput(query.error());
  return static_cast<int>(*query);
}

// Returns 1 with rows in the output, or 0 if they are the same as at the last run.
EMSCRIPTEN_KEEPALIVE int ls_live_run(int slot, uint32_t query) {
  Slot* engine = FindSlot(slot);
  if (engine == nullptr || engine->session == nullptr) return SetErrorOutput(NoSlot());
  const Result<std::optional<BytesView>> rows = engine->session->live_queries().Run(query);
  if (!rows.ok()) return SetErrorOutput(rows.error());
  if (!rows->has_value()) return 0;
  SetOutput(**rows);
  return 1;
}

// Closing what is closed already does nothing.
EMSCRIPTEN_KEEPALIVE void ls_live_close(int slot, uint32_t query) {
  Slot* engine = FindSlot(slot);
  if (engine != nullptr && engine->session != nullptr) engine->session->live_queries().Close(query);
}

}  // extern "C"
