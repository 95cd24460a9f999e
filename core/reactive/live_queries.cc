#include "core/reactive/live_queries.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "core/base/limits.h"
#include "core/sqlite/row_codec.h"

namespace livestore {
namespace {

struct LiveQuery {
  StatementId statement = 0;
  Bytes binds;
  RowKey key;
  std::string table;               // That of the key.
  bool has_run = false;            // And has not failed: its rows are known, if not here.
  std::optional<Bytes> last_rows;  // Not kept: before the first run, or beyond the limit.
  bool unread = false;  // last_rows came from Refresh, and Run has not returned them yet.
};

}  // namespace

struct LiveQueries::Impl {
  explicit Impl(Database& db) : database(db) {}

  // Keeps `rows` as the last ones of `query`, as far as there is room.
  void Keep(LiveQuery& query, BytesView rows) {
    Forget(query);
    query.has_run = true;
    if (rows.size() > limits::kLiveResultBytesMax - kept_bytes) return;
    query.last_rows.emplace(rows.begin(), rows.end());
    kept_bytes += rows.size();
  }
  void Forget(LiveQuery& query) {
    if (query.last_rows) kept_bytes -= query.last_rows->size();
    query.last_rows.reset();
    query.unread = false;
    query.has_run = false;
  }

  Database& database;
  std::map<LiveQueryId, LiveQuery> queries;  // Numbers grow, so this is the order of opening.
  LiveQueryId last_id = 0;
  size_t kept_bytes = 0;  // Of all last_rows; at most kLiveResultBytesMax.
};

LiveQueries::LiveQueries(Database& database) : impl_(std::make_unique<Impl>(database)) {}
LiveQueries::~LiveQueries() = default;

Result<LiveQueryId> LiveQueries::Open(StatementId statement, BytesView binds, RowKey key) {
  Impl& self = *impl_;
  if (self.queries.size() >= limits::kLiveQueriesMax ||
      self.last_id == std::numeric_limits<LiveQueryId>::max()) {
    return Error{ErrorCode::kLimitExceeded, "more than kLiveQueriesMax (" +
                                                std::to_string(limits::kLiveQueriesMax) +
                                                ") live queries are open"};
  }
  Result<sqlite3_stmt*> compiled = self.database.Compiled(statement);
  if (!compiled.ok()) {
    Error error = std::move(compiled).error();
    // A statement that is not compiled because it would do more than read rows.
    if (error.code == ErrorCode::kSql) error.code = ErrorCode::kReadOnlyQuery;
    return error;
  }
  const StatementInfo& info = self.database.Info(statement);
  if (!info.read_only) {
    return Error{ErrorCode::kReadOnlyQuery, "a live query may not write: " + info.sql};
  }
  // Bound once to see that they fit; on a reset statement the values are not looked at again.
  LS_TRY(BindPacked(*compiled, binds));
  LS_TRY(self.database.Compiled(statement));

  const std::vector<TableId>& reads = info.reads.tables();
  if (key.parameter > info.parameters.size()) {
    return Error{ErrorCode::kInvalidArgument, "a live query has no parameter " +
                                                  std::to_string(key.parameter) + ": " + info.sql};
  }
  // The key is of a query's only table; of several it would not be known whose column it is.
  if (reads.size() != 1) key = {};
  const LiveQueryId id = ++self.last_id;
  self.queries.emplace_hint(
      self.queries.end(), id,
      LiveQuery{.statement = statement,
                .binds = Bytes(binds.begin(), binds.end()),
                .key = key,
                .table = key.parameter == 0 ? "" : self.database.table_names().Name(reads[0]),
                .has_run = false,
                .last_rows = std::nullopt,
                .unread = false});
  return id;
}

void LiveQueries::Close(LiveQueryId query) {
  const auto found = impl_->queries.find(query);
  if (found == impl_->queries.end()) return;
  impl_->Forget(found->second);
  impl_->queries.erase(found);
}

Result<std::optional<BytesView>> LiveQueries::Run(LiveQueryId query) {
  const auto found = impl_->queries.find(query);
  if (found == impl_->queries.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "live query " + std::to_string(query) + " is not open"};
  }
  LiveQuery& live = found->second;
  if (live.unread) {
    live.unread = false;
    return std::optional<BytesView>(*live.last_rows);
  }
  Result<BytesView> rows = impl_->database.Query(live.statement, live.binds);
  if (!rows.ok()) {
    impl_->Forget(live);  // After an error the same rows as before it are news.
    return std::move(rows).error();
  }
  if (live.last_rows && std::ranges::equal(*live.last_rows, *rows)) {
    return std::optional<BytesView>();
  }
  impl_->Keep(live, *rows);
  return std::optional(*rows);
}

std::vector<LiveQueryId> LiveQueries::Affected(const TableSet& written) const {
  std::vector<LiveQueryId> affected;
  if (written.empty()) return affected;
  for (const auto& [id, query] : impl_->queries) {
    if (impl_->database.Info(query.statement).reads.Intersects(written)) affected.push_back(id);
  }
  return affected;
}

std::vector<LiveQueryId> LiveQueries::Refresh(const TableSet& written,
                                              std::span<const BytesView> changesets) {
  Impl& self = *impl_;
  size_t bytes = 0;
  for (const BytesView changeset : changesets) bytes += changeset.size();
  const bool is_narrow = !changesets.empty() && bytes <= limits::kKeyedChangesBytesMax;
  const auto is_untouched = [&](const LiveQuery& live) {
    return is_narrow && live.has_run && live.key.parameter != 0 &&
           std::ranges::none_of(changesets, [&](BytesView changeset) {
             return MayChangeRow(changeset, live.table, live.key, live.binds);
           });
  };
  std::vector<LiveQueryId> stale = Affected(written);
  std::erase_if(stale, [&](LiveQueryId id) {
    LiveQuery& live = self.queries.find(id)->second;
    if (is_untouched(live)) return true;
    if (!live.last_rows) return false;
    const Result<BytesView> rows = self.database.Query(live.statement, live.binds);
    if (!rows.ok()) {
      self.Forget(live);  // Whoever runs it again gets the error.
      return false;
    }
    if (std::ranges::equal(*live.last_rows, *rows)) return true;
    self.Keep(live, *rows);
    live.unread = live.last_rows.has_value();
    return false;
  });
  return stale;
}

std::vector<LiveQueryId> LiveQueries::InvalidateAll() {
  std::vector<LiveQueryId> all;
  all.reserve(impl_->queries.size());
  for (auto& [id, query] : impl_->queries) {
    impl_->Forget(query);
    all.push_back(id);
  }
  return all;
}

size_t LiveQueries::open_count() const { return impl_->queries.size(); }

}  // namespace livestore
