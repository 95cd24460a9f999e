#include "core/eventlog/event_row.h"

#include <limits>
#include <string>

#include "core/event/event_codec.h"

namespace livestore {
namespace {

std::optional<SeqNum> ReadSeqNum(RowsReader& reader) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  const Cell global = reader.Next();
  const Cell client = reader.Next();
  const Cell generation = reader.Next();
  if (!InRange(global, kSeqNumGlobalMax) || !InRange(client, kMax) || !InRange(generation, kMax)) {
    return std::nullopt;
  }
  return SeqNum{static_cast<uint64_t>(global.integer), static_cast<uint32_t>(client.integer),
                static_cast<uint32_t>(generation.integer)};
}

}  // namespace

bool InRange(const Cell& cell, uint64_t max) {
  return cell.type == Cell::Type::kInteger && cell.integer >= 0 &&
         static_cast<uint64_t>(cell.integer) <= max;
}

std::optional<Event> ReadEvent(RowsReader& reader) {
  const std::optional<SeqNum> seq = ReadSeqNum(reader);
  if (!seq) return std::nullopt;
  const std::optional<SeqNum> parent = ReadSeqNum(reader);
  if (!parent) return std::nullopt;
  const Cell name = reader.Next();
  const Cell args = reader.Next();
  const Cell client_id = reader.Next();
  const Cell session_id = reader.Next();
  const Cell schema_hash = reader.Next();
  const Cell session_number = reader.Next();
  const Cell session_counter = reader.Next();
  for (const Cell* cell : {&name, &args, &client_id, &session_id}) {
    if (cell->type != Cell::Type::kText) return std::nullopt;
  }
  if (schema_hash.type != Cell::Type::kInteger || session_number.type != Cell::Type::kInteger ||
      !InRange(session_counter, kCounterMax)) {
    return std::nullopt;
  }
  return Event{.seq = *seq,
               .parent = *parent,
               .name = std::string(name.text),
               .args_json = std::string(args.text),
               .client_id = std::string(client_id.text),
               .session_id = std::string(session_id.text),
               .schema_hash = schema_hash.integer,
               .origin = {session_number.integer, static_cast<uint64_t>(session_counter.integer)}};
}

}  // namespace livestore
