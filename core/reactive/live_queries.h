// LiveQueries: which open queries a commit made stale. A query's read set is its statement's
// tables, known since it was compiled; a commit's write set is the union of its statements' tables.
// A query that sees the rows of one key only is not run for a commit that changed no such row.
//
// Knows tables and changesets, not events. A live query is named by a number that its session hands
// to JavaScript; the number dies with Close.
//
// It keeps the packed bytes of each query's last result, so that a re-run with the same outcome
// crosses nothing and wakes nobody (up to limits::kLiveResultBytesMax in all; beyond that every run
// counts as changed).

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/sqlite/changeset.h"
#include "core/sqlite/database.h"

namespace livestore {

using LiveQueryId = uint32_t;  // 1 and up.

class LiveQueries {
 public:
  // `database` must outlive this.
  explicit LiveQueries(Database& database);
  ~LiveQueries();

  // Copies `binds`. With a `key`, all rows that the query can see have that value in that column:
  // the caller vouches for it. Fails with kReadOnlyQuery, kLimitExceeded, kInvalidBind,
  // kMalformedBytes, and with kInvalidArgument for an unknown statement.
  Result<LiveQueryId> Open(StatementId statement, BytesView binds, RowKey key = {});
  // Does nothing for a number that is not open: who closes twice is no bug.
  void Close(LiveQueryId query);

  // Runs the query, unless Refresh has just done so. nullopt: the same rows as at the last run. The
  // view dies with the next Run, Refresh or Query. Fails with kInvalidArgument for a number that is
  // not open, else as Database::Query does; the last result is forgotten then.
  Result<std::optional<BytesView>> Run(LiveQueryId query);

  // The open queries that read any of `written`, in the order they were opened.
  [[nodiscard]] std::vector<LiveQueryId> Affected(const TableSet& written) const;
  // Runs the affected queries that have run before, and returns those of Affected whose rows are
  // others than at their last run, or are not known. JavaScript so hears only of what changed: with
  // ten live queries, two of them changed, a commit takes 0.40 ms instead of 0.62 (Chromium).
  // `changesets`, if given, are all that was changed: a query whose key is in none is not run.
  std::vector<LiveQueryId> Refresh(const TableSet& written,
                                   std::span<const BytesView> changesets = {});
  // All open queries: for a state that was replaced as a whole. Forgets their last results.
  std::vector<LiveQueryId> InvalidateAll();

  [[nodiscard]] size_t open_count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore
