// Changesets: what one event changed, recorded by SQLite's session extension, and how it is undone.
//
// A changeset only covers tables with a declared PRIMARY KEY (whose values are not NULL). A recorder
// says which other tables were written; then the event cannot be undone by a changeset.

#pragma once

#include <memory>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/sqlite/database.h"

struct sqlite3_session;

namespace livestore {

// Records the changes made to user tables (not sqlite_* and not __livestore_*) while it lives.
class ChangesetRecorder {
 public:
  static Result<ChangesetRecorder> Begin(Database& database);
  ~ChangesetRecorder();
  ChangesetRecorder(ChangesetRecorder&& other) noexcept;
  ChangesetRecorder& operator=(ChangesetRecorder&&) = delete;
  ChangesetRecorder(const ChangesetRecorder&) = delete;

  // The changes so far; empty if nothing changed. Ends the recording.
  Result<Bytes> Finish();

 private:
  explicit ChangesetRecorder(sqlite3_session* session);
  sqlite3_session* session_;
};

// Undoes `changeset`. Fails with kNotUndoable when a row is not as the changeset left it; the caller
// holds a savepoint and rolls it back.
Result<void> ApplyInverse(Database& database, BytesView changeset);

// The tables `changeset` touches. Fails with kMalformedBytes.
Result<TableSet> TablesOf(Database& database, BytesView changeset);

}  // namespace livestore
