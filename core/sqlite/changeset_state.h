// What a connection keeps for its changesets: the recording in progress, and what is known of each
// table that a changeset touched. Used by changeset.cc; Database owns it and knows nothing of it.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/sqlite/database.h"

namespace livestore {

// How rows of one table are found, removed and put back.
struct TableShape {
  uint32_t columns = 0;
  bool auto_increment = false;
  // Why a changeset cannot roll this table back; empty if it can.
  std::string obstacle;
  StatementId remove_row = 0;   // ?1 rowid, then the row as it must be.
  StatementId insert_row = 0;   // ?1 rowid, then the row.
  StatementId restore_row = 0;  // ?1 rowid and the row to restore, then the same as it must be.
};

struct ChangesetState {
  // The recording. Its buffers are kept from one to the next.
  bool recording = false;
  bool complete = true;  // False once something happened that the recording could not follow.
  ByteWriter changes;
  size_t rows = 0;                  // Changed so far.
  std::vector<std::string> tables;  // Written so far; their place is their number in the changeset.
  std::vector<std::pair<std::string, int64_t>> sequences;  // sqlite_sequence when it began.

  // By table name; void when the schema changes.
  std::map<std::string, TableShape> shapes;
  uint64_t shapes_generation = 0;
  bool has_sequences = false;  // The schema has AUTOINCREMENT.
  StatementId read_sequences = 0;
};

}  // namespace livestore
