// The raw exports: what is called often, with packed bytes instead of Embind values. One crossing
// carries a whole commit or a whole result.
//
//     ls_input(n)  JavaScript writes  ls_commit(slot, n)  JavaScript reads ls_output()
//
// Called from js/src/wasm and nowhere else. Each returns -1 with an error in the output, or what is
// said beside it. Byte formats: core/sqlite/row_codec.h, core/event/event_codec.h.

#include <emscripten/em_macros.h>

#include <cstdlib>
#include <utility>

#include "core/base/limits.h"
#include "wasm/bindings/buffers.h"
#include "wasm/bindings/slots.h"

namespace livestore::wasm {
namespace {

// Grows, never shrinks. malloc keeps it 8-aligned, as the packed formats want.
struct Buffer {
  uint8_t* data = nullptr;
  uint32_t capacity = 0;

  uint8_t* Reserve(uint32_t bytes) {
    if (bytes > capacity) {
      const uint32_t grown = bytes < 65536 ? 65536 : bytes + bytes / 2;
      std::free(data);
      data = static_cast<uint8_t*>(std::malloc(grown));
      if (data == nullptr) std::abort();  // Out of memory: as operator new does without exceptions.
      capacity = grown;
    }
    return data;
  }
};

struct Buffers {
  Buffer input;
  Buffer batch;
  BytesView output;
  Bytes owned_output;
};

Buffers& TheBuffers() {
  static Buffers buffers;
  return buffers;
}

Error NoSlot() { return {ErrorCode::kClosed, "this engine object has been closed"}; }

void WriteText(ByteWriter& writer, std::string_view text) {
  writer.U32(static_cast<uint32_t>(text.size()));
  writer.Raw(AsBytes(text));
  writer.Align(4);
}

}  // namespace

BytesView InputBytes(uint32_t size) {
  const Buffer& input = TheBuffers().input;
  return {input.data, size <= input.capacity ? size : 0};
}

BytesView BatchBytes(uint32_t size) {
  const Buffer& batch = TheBuffers().batch;
  return {batch.data, size <= batch.capacity ? size : 0};
}

void SetOutput(BytesView view) { TheBuffers().output = view; }

void SetOutput(Bytes bytes) {
  TheBuffers().owned_output = std::move(bytes);
  TheBuffers().output = TheBuffers().owned_output;
}

int SetErrorOutput(const Error& error) {
  ByteWriter writer;
  writer.U32(static_cast<uint32_t>(error.code));
  WriteText(writer, error.message);
  SetOutput(writer.Take());
  return -1;
}

}  // namespace livestore::wasm

using namespace livestore;        // NOLINT: the exports below are C functions at global scope.
using namespace livestore::wasm;  // NOLINT

extern "C" {

// A pointer to at least `bytes` bytes for arguments; valid until the next ls_input.
EMSCRIPTEN_KEEPALIVE uint8_t* ls_input(uint32_t bytes) { return TheBuffers().input.Reserve(bytes); }

// The same for what a materializer writes.
EMSCRIPTEN_KEEPALIVE uint8_t* ls_batch(uint32_t bytes) { return TheBuffers().batch.Reserve(bytes); }

EMSCRIPTEN_KEEPALIVE const uint8_t* ls_output() { return TheBuffers().output.data(); }
EMSCRIPTEN_KEEPALIVE uint32_t ls_output_size() {
  return static_cast<uint32_t>(TheBuffers().output.size());
}

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
