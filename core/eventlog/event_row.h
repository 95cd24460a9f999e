// An event as a row of the table `eventlog`: what both readers of such a table share, the log's own
// and the one for the logs of LiveStore.

#pragma once

#include <optional>

#include "core/event/event.h"
#include "core/sqlite/rows_reader.h"

namespace livestore {

// True if the cell holds a whole number from 0 to `max`.
bool InRange(const Cell& cell, uint64_t max);

// Reads 13 cells: the three parts of the number, the three of its parent, name, arguments, client,
// session, schema hash, and both parts of the origin. nullopt if they make no event.
std::optional<Event> ReadEvent(RowsReader& reader);

}  // namespace livestore
