// Changesets: what one event changed, row by row, and how it is rolled back.
//
//     changeset := version:u8(=1) part*
//     part  := 0 name:text columns:varint            a table; it is numbered by its place, from 0
//            | 1 table:varint rowid:i64 new:value*   a row inserted
//            | 2 table:varint rowid_before:i64 rowid_after:i64 old:value* new:value*     updated
//            | 3 table:varint rowid:i64 old:value*   deleted
//            | 4 table:varint existed:u8 seq:i64     where AUTOINCREMENT stood before
//     value := 0 null | 1 i64 | 2 f64 | 3 text:block | 4 blob:block | 5 (in new: the same as in
//     old)
//
// Parts are in the order of the changes and are rolled back in the reverse, so that every step
// leads to a state that has existed, and constraints hold on the way. Changesets live in memory
// only, as long as their event is pending.
//
// They are recorded through SQLite's preupdate hook and not through its session extension, for two
// reasons. A session per event costs 12 us, most of it for learning the tables anew; this costs 1.
// And a session forgets rowids and AUTOINCREMENT, so that rows come back in another order and new
// ones get other numbers than in a replay of the eventlog; here the state comes back exactly.
//
// What cannot be rolled back so is said, never guessed: virtual tables, tables with triggers
// (rolling back would fire them), and a recording in which a statement failed. Generated columns
// and foreign keys are not part of this build of SQLite.

#pragma once

#include <string>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/sqlite/database.h"

namespace livestore {

// Records the changes made to user tables (not sqlite_* and not __livestore_*) until Finish or its
// destructor. One at a time per database.
class ChangesetRecorder {
 public:
  // Fails with kNested while another one records.
  static Result<ChangesetRecorder> Begin(Database& database);
  ~ChangesetRecorder();
  ChangesetRecorder(ChangesetRecorder&& other) noexcept;
  ChangesetRecorder& operator=(ChangesetRecorder&&) = delete;
  ChangesetRecorder(const ChangesetRecorder&) = delete;

  // The changes so far; empty if nothing changed. Ends the recording.
  Result<Bytes> Finish();
  // After Finish: whether ApplyInverse of the changeset brings the state before Begin back. Tables
  // that stand in the way are named by `obstacle`.
  [[nodiscard]] bool undoable() const { return obstacle_.empty(); }
  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }

 private:
  explicit ChangesetRecorder(Database& database);
  void End();

  Database* database_;  // Null once the recording has ended.
  std::string obstacle_;
};

// Rolls `changeset` back. Fails with kNotUndoable when a row is not as the changeset left it, or
// the tables are not such as it can be rolled back in; with kMalformedBytes. The caller holds a
// savepoint and rolls it back then.
Result<void> ApplyInverse(Database& database, BytesView changeset);

// What all rows have in common that a query can see: the value of one column.
struct RowKey {
  uint32_t column = 0;     // Of the query's only table, from 0.
  uint32_t parameter = 0;  // Whose value it is, from 1 in `binds`; 0: rows of any value.
};

// Whether `changeset` may have changed a row of `table` that has the value of `key` before or after
// it. Texts are compared byte by byte. True where that cannot be told: values of different types, a
// changeset that is not undoable or damaged.
bool MayChangeRow(BytesView changeset, const std::string& table, RowKey key, BytesView binds);

// The tables `changeset` touches. Fails with kMalformedBytes.
Result<TableSet> TablesOf(Database& database, BytesView changeset);

}  // namespace livestore
