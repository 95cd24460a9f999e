#include "core/sqlite/database.h"

#include <sqlite3.h>

#include <cctype>
#include <climits>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/sqlite/changeset_state.h"
#include "core/sqlite/sqlite_error.h"
#include "core/sqlite/vfs_environment.h"

namespace livestore {
namespace {

constexpr size_t kPageSize = 4096;
// A WAL that one large transaction has blown up is cut back to this when it is written anew.
constexpr char kWalLimitPragma[] = "PRAGMA journal_size_limit=8388608";

// Makes SQLite read the header and the whole schema.
constexpr char kReadSchema[] = "SELECT count(*) FROM sqlite_schema";

// Whose SQL is being compiled or run.
enum class Origin { kCore, kApp };

// Pragmas that only describe the schema. All others are refused to apps: many take effect while
// they compile.
constexpr std::string_view kHarmlessPragmas[] = {"index_info", "index_list", "index_xinfo",
                                                 "table_info", "table_list", "table_xinfo"};

bool EqualNoCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         sqlite3_strnicmp(a.data(), b.data(), static_cast<int>(a.size())) == 0;
}

bool IsSqliteTable(std::string_view name) {
  return name.size() >= 7 && EqualNoCase(name.substr(0, 7), "sqlite_");
}

bool ChangesSchema(int action) {
  switch (action) {
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_TEMP_INDEX:
    case SQLITE_DROP_TEMP_TABLE:
    case SQLITE_DROP_TEMP_TRIGGER:
    case SQLITE_DROP_TEMP_VIEW:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_ALTER_TABLE:
      return true;
    default:
      return false;
  }
}

// Reads SQL word by word, past white space, comments, and quoted text.
class SqlScanner {
 public:
  explicit SqlScanner(std::string_view sql) : rest_(sql) {}

  // What is left after white space, comments and semicolons.
  std::string_view SkipToStatement() {
    while (SkipBlank() && rest_.front() == ';') rest_.remove_prefix(1);
    return rest_;
  }

  // The next bare word, or any other single character or quoted text; empty at the end.
  std::string_view Next() {
    if (!SkipBlank()) return {};
    size_t size = 1;
    const char first = rest_.front();
    if (first == '\'' || first == '"' || first == '`' || first == '[') {
      // A doubled quote reads as two quoted texts side by side, which is as good here.
      const size_t end = rest_.find(first == '[' ? ']' : first, 1);
      size = end == std::string_view::npos ? rest_.size() : end + 1;
    } else if (IsWord(first)) {
      while (size < rest_.size() && IsWord(rest_[size])) size++;
    }
    const std::string_view token = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return token;
  }

 private:
  static bool IsWord(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
           (static_cast<unsigned char>(c) & 0x80) != 0;
  }

  // Returns false at the end.
  bool SkipBlank() {
    while (!rest_.empty()) {
      if (std::isspace(static_cast<unsigned char>(rest_.front())) != 0) {
        rest_.remove_prefix(1);
      } else if (rest_.starts_with("--")) {
        SkipPast("\n");
      } else if (rest_.starts_with("/*")) {
        rest_.remove_prefix(2);
        SkipPast("*/");
      } else {
        return true;
      }
    }
    return false;
  }

  void SkipPast(std::string_view end) {
    const size_t at = rest_.find(end);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + end.size());
  }

  std::string_view rest_;
};

// What an app's statement may begin with. The authorizer then has its say about the rest of it.
bool MayBegin(std::string_view word) {
  for (const std::string_view allowed :
       {"select", "values", "with", "insert", "replace", "update", "delete", "pragma", "explain"}) {
    if (EqualNoCase(word, allowed)) return true;
  }
  return false;
}

// `insert or rollback` would end the transaction around the statement, and with it the events
// materialized before. No other conflict clause reaches beyond its statement.
bool HasOrRollback(std::string_view sql) {
  SqlScanner scanner(sql);
  bool after_or = false;
  for (std::string_view token = scanner.Next(); !token.empty(); token = scanner.Next()) {
    if (after_or && EqualNoCase(token, "rollback")) return true;
    after_or = EqualNoCase(token, "or");
  }
  return false;
}

uint32_t ReadBigEndian32(BytesView bytes, size_t offset) {
  return static_cast<uint32_t>(bytes[offset]) << 24 |
         static_cast<uint32_t>(bytes[offset + 1]) << 16 |
         static_cast<uint32_t>(bytes[offset + 2]) << 8 | bytes[offset + 3];
}

// The journal mode a database file asks for: 1 is rollback, 2 is WAL.
constexpr size_t kWriteVersionOffset = 18;
constexpr size_t kReadVersionOffset = 19;

// Text encoding, big endian: 1 is UTF-8, 0 an empty database. SQLite without UTF-16 does not look,
// and would take other text for UTF-8.
constexpr size_t kEncodingOffset = 56;
bool IsUtf8(BytesView header) { return ReadBigEndian32(header, kEncodingOffset) <= 1; }

// What can be told of an image by its header alone.
const char* HeaderFault(BytesView image) {
  if (image.size() < kPageSize || image.size() % kPageSize != 0) {
    return "its size is no multiple of 4096";
  }
  if (std::memcmp(image.data(), "SQLite format 3", 16) != 0) return "it has no SQLite header";
  const size_t page_size = static_cast<size_t>(image[16]) << 8 | image[17];
  if (page_size != kPageSize) return "its page size is not 4096";
  if (image[kWriteVersionOffset] != 1 || image[kReadVersionOffset] != 1) {
    return "it is not in rollback mode";
  }
  if (ReadBigEndian32(image, 28) != image.size() / kPageSize) {
    return "its header tells another size";
  }
  if (!IsUtf8(image)) return "its text is not UTF-8";
  return nullptr;
}

}  // namespace

struct Database::Impl {
  struct Collected;

  struct Statement {
    StatementInfo info;
    Origin origin = Origin::kApp;
    // Why this statement may not run, or empty. It is never compiled then.
    std::string refusal;
    sqlite3_stmt* compiled = nullptr;
    // Neighbours in the order of last use, among the compiled ones.
    StatementId newer = 0;
    StatementId older = 0;
  };

  struct SavepointStatements {
    std::string name;
    sqlite3_stmt* begin = nullptr;
    sqlite3_stmt* release = nullptr;
    sqlite3_stmt* rollback_to = nullptr;
  };

  // Makes what SQLite compiles and runs meanwhile count as SQL of `origin`.
  class OriginScope {
   public:
    OriginScope(Impl& impl, Origin origin) : impl_(impl), before_(impl.origin) {
      impl.origin = origin;
    }
    ~OriginScope() { impl_.origin = before_; }
    OriginScope(const OriginScope&) = delete;
    OriginScope& operator=(const OriginScope&) = delete;

   private:
    Impl& impl_;
    Origin before_;
  };

  ~Impl() { Disconnect(); }

  // Ends the connection. What is known of statements stays; they are compiled anew when next used.
  void Disconnect() {
    for (Statement& statement : statements) {
      sqlite3_finalize(std::exchange(statement.compiled, nullptr));
    }
    newest = 0;
    oldest = 0;
    compiled_count = 0;
    for (const SavepointStatements& savepoint : savepoints) {
      sqlite3_finalize(savepoint.begin);
      sqlite3_finalize(savepoint.release);
      sqlite3_finalize(savepoint.rollback_to);
    }
    savepoints.clear();
    sqlite3_close(std::exchange(db, nullptr));
  }

  // Opens the connection to a file and puts it into WAL mode.
  Result<void> OpenFile() {
    LS_TRY(Connect(file, vfs_name.c_str()));
    // Until the file is known to be sound, closing must not write its WAL back into it.
    LS_CHECK(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr) == SQLITE_OK);
    LS_TRY(Execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=4096"));
    if (Result<void> read = Execute(kReadSchema); !read.ok()) {
      Error error = std::move(read).error();
      // Besides CORRUPT and NOTADB, SQLite has plain errors for files it will not read: a newer
      // format, another encoding, a schema that does not parse.
      if (error.code == ErrorCode::kSql) error.code = ErrorCode::kCorruptState;
      error.message = file + " cannot be opened: " + error.message;
      return error;
    }
    if (!LS_TRY(TextIsUtf8())) {
      return Error{ErrorCode::kCorruptState, file + " cannot be opened: its text is not UTF-8"};
    }
    LS_TRY(Execute("PRAGMA journal_mode=WAL"));
    LS_TRY(Execute(kReadSchema));  // Opens the WAL, and fails without a file for it.
    LS_TRY(Execute(kWalLimitPragma));
    LS_TRY(Execute(durability == Durability::kFlushed ? "PRAGMA synchronous=FULL"
                                                      : "PRAGMA synchronous=NORMAL"));
    sqlite3_wal_hook(db, OnWalCommit, this);
    LS_CHECK(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr) == SQLITE_OK);
    // WAL is what durability rests on; SQLite answers a mode it cannot enter with the one it keeps.
    sqlite3_stmt* mode = nullptr;
    bool is_wal = false;
    {
      const OriginScope scope(*this, Origin::kCore);
      is_wal = sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &mode, nullptr) == SQLITE_OK &&
               sqlite3_step(mode) == SQLITE_ROW &&
               std::strcmp(reinterpret_cast<const char*>(sqlite3_column_text(mode, 0)), "wal") == 0;
    }
    sqlite3_finalize(mode);
    if (is_wal) return Ok();
    return Error{ErrorCode::kStorageIo,
                 file + " cannot be opened: its pool holds no file for a WAL"};
  }

  // Opens the connection and makes it ours, before anything is read.
  Result<void> Connect(const std::string& name, const char* vfs) {
    internal::InitializeSqlite();
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE;
    const int result = sqlite3_open_v2(name.c_str(), &db, kFlags, vfs);
    if (result != SQLITE_OK) {
      if (db == nullptr) return Error{ErrorCode::kInternal, "SQLite could not open a connection"};
      return SqliteError(db, result, "opening " + name);
    }
    const std::pair<int, int> settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        // A plan depends on the text alone: binding a value never recompiles.
        {SQLITE_DBCONFIG_ENABLE_QPSG, 1}};
    for (const auto& [setting, value] : settings) {
      LS_CHECK(sqlite3_db_config(db, setting, value, nullptr) == SQLITE_OK);
    }
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(limits::kSqlBytesMax));
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_set_authorizer(db, Authorize, this);
    return Ok();
  }

  // The authorizer. Returning anything but OK or IGNORE fails the compilation.
  static int Authorize(void* context, int action, const char* first, const char* /*second*/,
                       const char* /*database*/, const char* /*trigger_or_view*/) {
    auto& self = *static_cast<Impl*>(context);
    const std::string_view table = first != nullptr ? first : "";
    switch (action) {
      case SQLITE_SELECT:
      case SQLITE_RECURSIVE:
      case SQLITE_FUNCTION:
        return SQLITE_OK;
      case SQLITE_READ:
        if (self.collected != nullptr && !IsSqliteTable(table)) {
          self.collected->reads.push_back(self.names.Intern(table));
        }
        return SQLITE_OK;
      case SQLITE_INSERT:
      case SQLITE_UPDATE:
      case SQLITE_DELETE:
        if (IsSqliteTable(table)) {
          // DDL also asks to write the schema table, and is refused by its own name afterwards.
          const bool is_schema = EqualNoCase(table, "sqlite_master") ||
                                 EqualNoCase(table, "sqlite_temp_master") ||
                                 EqualNoCase(table, "sqlite_schema");
          return is_schema ? SQLITE_OK : self.Judge("writing to SQLite's own tables");
        }
        if (self.collected != nullptr) self.collected->writes.push_back(self.names.Intern(table));
        // For a delete, IGNORE means: row by row, please. SQLite would else clear a whole table
        // without telling the changeset, and it decides that when the statement compiles.
        return action == SQLITE_DELETE && self.origin == Origin::kApp ? SQLITE_IGNORE : SQLITE_OK;
      case SQLITE_PRAGMA:
        for (const std::string_view harmless : kHarmlessPragmas) {
          if (EqualNoCase(table, harmless)) return SQLITE_OK;
        }
        return self.Judge("this PRAGMA");
      case SQLITE_ATTACH:
      case SQLITE_DETACH:
        if (self.deserializing) return SQLITE_OK;  // sqlite3_deserialize attaches the image.
        (void)self.Judge("this");
        return SQLITE_DENY;
      case SQLITE_TRANSACTION:
      case SQLITE_SAVEPOINT:
        // A roll back may bring an older schema back.
        if (self.schema_changed_in_transaction && EqualNoCase(table, "ROLLBACK")) {
          self.schema_dirty = true;
        }
        return self.Judge("this");
      default:
        if (self.origin == Origin::kCore && ChangesSchema(action)) self.schema_dirty = true;
        return self.Judge("this");
    }
  }

  // Lets core do `what` and refuses it to apps.
  int Judge(const char* what) {
    if (origin == Origin::kCore) return SQLITE_OK;
    if (collected != nullptr && collected->refused == nullptr) collected->refused = what;
    return SQLITE_DENY;
  }

  // Statements by number.

  Statement* Find(StatementId id) {
    return id >= 1 && id <= statements.size() ? &statements[id - 1] : nullptr;
  }

  static Error UnknownStatement(StatementId id) {
    return Error{ErrorCode::kInvalidArgument, "there is no statement " + std::to_string(id)};
  }

  Result<StatementId> Prepare(std::string_view sql, Origin statement_origin) {
    auto& ids = statement_origin == Origin::kApp ? app_ids : core_ids;
    if (const auto known = ids.find(sql); known != ids.end()) return known->second;
    if (sql.size() > limits::kSqlBytesMax) {
      return Error{ErrorCode::kLimitExceeded,
                   "a statement of " + std::to_string(sql.size()) + " bytes exceeds the limit of " +
                       std::to_string(limits::kSqlBytesMax) + ": " + ShortenSql(sql)};
    }
    if (statements.size() >= limits::kStatementIdsMax) {
      return Error{ErrorCode::kLimitExceeded,
                   "more than " + std::to_string(limits::kStatementIdsMax) +
                       " different SQL texts were used; pass values as parameters instead of " +
                       "writing them into the text: " + ShortenSql(sql)};
    }
    if (const size_t nul = sql.find('\0'); nul != std::string_view::npos) {
      return Error{ErrorCode::kSql, "the SQL has a NUL character at byte " + std::to_string(nul) +
                                        ": " + ShortenSql(sql.substr(0, nul))};
    }
    statements.emplace_back();
    Statement& statement = statements.back();
    statement.info.sql = sql;
    statement.origin = statement_origin;
    const auto id = static_cast<StatementId>(statements.size());
    // Many statements of core are never run by a connection; an app wants to know at once.
    Result<void> compiled = statement_origin == Origin::kApp ? Compile(id) : Ok();
    if (!compiled.ok()) {
      statements.pop_back();
      return std::move(compiled).error();
    }
    ids.emplace(statement.info.sql, id);
    return id;
  }

  // Compiles a statement and, of an app's, learns what there is to know of it.
  Result<void> Compile(StatementId id) {
    if (unusable) [[unlikely]]
      return *unusable;
    Statement& statement = statements[id - 1];
    const std::string& sql = statement.info.sql;
    const bool is_app = statement.origin == Origin::kApp;
    const OriginScope scope(*this, statement.origin);
    Collected found;
    sqlite3_stmt* compiled = nullptr;
    const char* tail = nullptr;
    collected = &found;
    const int result = sqlite3_prepare_v3(db, sql.c_str(), static_cast<int>(sql.size()) + 1,
                                          SQLITE_PREPARE_PERSISTENT, &compiled, &tail);
    collected = nullptr;
    if (found.refused != nullptr) {
      const std::string_view word = SqlScanner(sql).Next();
      Refuse(statement, MayBegin(word) ? found.refused : word);
      return Ok();
    }
    if (result != SQLITE_OK) return SqliteError(db, result, sql);
    if (compiled == nullptr) {
      return Error{ErrorCode::kSql, "there is no statement in: " + ShortenSql(sql)};
    }
    if (const std::string_view word = SqlScanner(sql).Next(); is_app && !MayBegin(word)) {
      sqlite3_finalize(compiled);
      Refuse(statement, word);
      return Ok();
    }
    const size_t used = static_cast<size_t>(tail - sql.c_str());
    const std::string_view more = SqlScanner(std::string_view(sql).substr(used)).SkipToStatement();
    if (!more.empty()) {
      sqlite3_finalize(compiled);
      return Error{ErrorCode::kSql,
                   "only one statement is allowed at a time; a second begins at \"" +
                       ShortenSql(more) + "\" in: " + ShortenSql(sql)};
    }
    StatementInfo& info = statement.info;
    info.read_only = sqlite3_stmt_readonly(compiled) != 0;
    if (!info.read_only && is_app && HasOrRollback(sql)) {
      sqlite3_finalize(compiled);
      Refuse(statement, "OR ROLLBACK");
      return Ok();
    }
    if (is_app) {
      Result<void> described = Describe(compiled, found, info);
      if (!described.ok()) {
        sqlite3_finalize(compiled);
        return described;
      }
    }
    statement.compiled = compiled;
    LinkNewest(id);
    compiled_count++;
    EvictOldest();
    return Ok();
  }

  // What only apps ask for. Tables are learned from `found` and from the compiled program.
  Result<void> Describe(sqlite3_stmt* compiled, Collected& found, StatementInfo& info) {
    info.columns.clear();
    if (info.read_only) {
      const int columns = sqlite3_column_count(compiled);
      for (int i = 0; i < columns; i++) info.columns.emplace_back(sqlite3_column_name(compiled, i));
    }
    info.parameters.clear();
    const int parameters = sqlite3_bind_parameter_count(compiled);
    for (int i = 1; i <= parameters; i++) {
      const char* const name = sqlite3_bind_parameter_name(compiled, i);
      info.parameters.emplace_back(name != nullptr ? name : "");
    }
    LS_TRY(LearnSchema());
    AddOpenedTables(compiled, found.reads);
    info.reads = {};
    info.writes = {};
    for (const TableId table : found.reads) {
      if (schema_tables.Contains(table)) info.reads.Add(table);
    }
    for (const TableId table : found.writes) {
      if (schema_tables.Contains(table)) info.writes.Add(table);
    }
    return Ok();
  }

  static void Refuse(Statement& statement, std::string_view what) {
    statement.refusal =
        std::string(what) + " is not allowed here: a statement may only read, or " +
        "insert, update, delete and replace rows. In: " + ShortenSql(statement.info.sql);
    statement.info.read_only = false;
  }

  // Learns the tables of the schema and where they and their indexes begin in the file. What the
  // authorizer names besides (views, common table expressions, functions) is no table.
  Result<void> LearnSchema() {
    if (known_generation == schema_generation) return Ok();
    schema_tables = {};
    roots.clear();
    const OriginScope scope(*this, Origin::kCore);
    sqlite3_stmt* entries = nullptr;
    constexpr char kSql[] = "SELECT tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0";
    int result = sqlite3_prepare_v2(db, kSql, -1, &entries, nullptr);
    while (entries != nullptr && (result = sqlite3_step(entries)) == SQLITE_ROW) {
      const std::string_view name = reinterpret_cast<const char*>(sqlite3_column_text(entries, 0));
      if (IsSqliteTable(name)) continue;
      const TableId table = names.Intern(name);
      schema_tables.Add(table);
      roots.emplace(sqlite3_column_int64(entries, 1), table);
    }
    sqlite3_finalize(entries);
    // Not known then: without its tables a write would be taken for none.
    if (result != SQLITE_DONE) return SqliteError(db, result, kSql);
    known_generation = schema_generation;
    return Ok();
  }

  // Adds the tables that the compiled program opens. The authorizer is not asked about the columns
  // that JOIN ... USING compares, and so may not hear of a table at all.
  void AddOpenedTables(sqlite3_stmt* compiled, std::vector<TableId>& tables) const {
    if (sqlite3_stmt_isexplain(compiled) != 0) return;
    if (sqlite3_stmt_explain(compiled, 1) != SQLITE_OK) return;
    while (sqlite3_step(compiled) == SQLITE_ROW) {
      constexpr int kOpcode = 1;
      constexpr int kRoot = 3;
      constexpr int kSchema = 4;
      const auto* const opcode =
          reinterpret_cast<const char*>(sqlite3_column_text(compiled, kOpcode));
      if (opcode == nullptr || std::strcmp(opcode, "OpenRead") != 0) continue;
      if (sqlite3_column_int(compiled, kSchema) != 0) continue;  // 0 is main.
      const auto root = roots.find(sqlite3_column_int64(compiled, kRoot));
      if (root != roots.end()) tables.push_back(root->second);
    }
    sqlite3_reset(compiled);
    LS_CHECK(sqlite3_stmt_explain(compiled, 0) == SQLITE_OK);
  }

  // The compiled form, compiling it anew if need be, as the most recently used.
  Result<sqlite3_stmt*> Use(StatementId id) {
    if (unusable) [[unlikely]]
      return *unusable;
    Statement& statement = statements[id - 1];
    if (statement.compiled != nullptr) [[likely]] {
      if (newest != id) {
        Unlink(id);
        LinkNewest(id);
      }
      return statement.compiled;
    }
    LS_TRY(Compile(id));
    if (!statement.refusal.empty()) return Error{ErrorCode::kSql, statement.refusal};
    return statement.compiled;
  }

  void LinkNewest(StatementId id) {
    Statement& statement = statements[id - 1];
    statement.older = newest;
    statement.newer = 0;
    if (newest != 0) statements[newest - 1].newer = id;
    newest = id;
    if (oldest == 0) oldest = id;
  }

  void Unlink(StatementId id) {
    const Statement& statement = statements[id - 1];
    (statement.newer != 0 ? statements[statement.newer - 1].older : newest) = statement.older;
    (statement.older != 0 ? statements[statement.older - 1].newer : oldest) = statement.newer;
  }

  // Finalizes one compiled statement, unless it is in the middle of its rows.
  bool Drop(StatementId id) {
    Statement& statement = statements[id - 1];
    if (sqlite3_stmt_busy(statement.compiled) != 0) return false;
    Unlink(id);
    sqlite3_finalize(std::exchange(statement.compiled, nullptr));
    compiled_count--;
    return true;
  }

  void EvictOldest() {
    StatementId id = oldest;
    while (compiled_count > limits::kStatementsMax && id != newest) {
      const StatementId next = statements[id - 1].newer;
      Drop(id);
      id = next;
    }
  }

  // Forgets what was learned under the old schema.
  void SchemaChanged() {
    schema_generation++;
    for (StatementId id = oldest; id != 0;) {
      const StatementId next = statements[id - 1].newer;
      Drop(id);
      id = next;
    }
  }

  // Running.

  bool InTransaction() const { return sqlite3_get_autocommit(db) == 0; }

  // To be called after a failure. SQLite ends the transaction itself when storage fails in it; what
  // open savepoints then answer is this error.
  Error Failed(Error error, bool was_in_transaction) {
    if (was_in_transaction && !InTransaction()) lost = error;
    changeset.complete = false;
    return error;
  }

  // To be called after a success that may have been a commit.
  void AfterCommit() {
    if (wal_frames < checkpoint_at || InTransaction()) [[likely]]
      return;
    const int result =
        sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    // A failure is tried again when as many frames have come on top, not at each commit.
    checkpoint_at = result == SQLITE_OK ? kCheckpointFrames : wal_frames + kCheckpointFrames;
    wal_frames = 0;
  }

  static int OnWalCommit(void* context, sqlite3* /*db*/, const char* /*database*/, int frames) {
    static_cast<Impl*>(context)->wal_frames = frames;
    return SQLITE_OK;
  }

  // Runs SQL of core.
  Result<void> Execute(std::string_view sql) {
    const OriginScope scope(*this, Origin::kCore);
    if (sql.size() > INT_MAX) return Error{ErrorCode::kLimitExceeded, "SQL text is too long"};
    const bool was_in_transaction = InTransaction();
    Result<void> outcome;
    std::string_view rest = sql;
    while (outcome.ok() && !(rest = SqlScanner(rest).SkipToStatement()).empty()) {
      sqlite3_stmt* statement = nullptr;
      const char* tail = nullptr;
      int result =
          sqlite3_prepare_v2(db, rest.data(), static_cast<int>(rest.size()), &statement, &tail);
      const std::string_view text = rest.substr(0, static_cast<size_t>(tail - rest.data()));
      if (result == SQLITE_OK && statement == nullptr) break;
      if (result == SQLITE_OK) {
        do {
          result = sqlite3_step(statement);
        } while (result == SQLITE_ROW);
      }
      if (result != SQLITE_OK && result != SQLITE_DONE) {
        outcome =
            Failed(SqliteError(db, result, statement != nullptr ? text : rest), was_in_transaction);
      }
      sqlite3_finalize(statement);
      rest = rest.substr(text.size());
    }
    NoteSchema();
    if (outcome.ok()) AfterCommit();
    return outcome;
  }

  void NoteSchema() {
    if (schema_dirty) {
      schema_dirty = false;
      schema_changed_in_transaction = true;
      SchemaChanged();
    }
    if (!InTransaction()) schema_changed_in_transaction = false;
  }

  // Steps to the end, rows discarded.
  static int StepAll(sqlite3_stmt* statement) {
    int result = sqlite3_step(statement);
    while (result == SQLITE_ROW) result = sqlite3_step(statement);
    return result;
  }

  // True for an empty database, too.
  Result<bool> TextIsUtf8() {
    sqlite3_stmt* page = nullptr;
    constexpr char kSql[] = "SELECT data FROM sqlite_dbpage WHERE pgno = 1";
    int result = sqlite3_prepare_v2(db, kSql, -1, &page, nullptr);
    bool is_utf8 = true;
    if (result == SQLITE_OK) result = sqlite3_step(page);
    if (result == SQLITE_ROW) {
      const auto* const data = static_cast<const uint8_t*>(sqlite3_column_blob(page, 0));
      is_utf8 = IsUtf8({data, static_cast<size_t>(sqlite3_column_bytes(page, 0))});
      result = SQLITE_DONE;
    }
    Result<bool> outcome = is_utf8;
    if (result != SQLITE_DONE) outcome = SqliteError(db, result, kSql);
    sqlite3_finalize(page);
    return outcome;
  }

  // Savepoints.

  // True if a storage failure has ended the transaction that the open savepoints stood in.
  bool TransactionLost() const { return open_savepoints > 0 && !InTransaction(); }

  Error LostError() const {
    if (lost.has_value()) return *lost;
    return Error{ErrorCode::kSql, "the transaction was ended inside of its savepoints"};
  }

  Result<size_t> SavepointKind(std::string_view name) {
    for (size_t i = 0; i < savepoints.size(); i++) {
      if (savepoints[i].name == name) return i;
    }
    SavepointStatements made{.name = std::string(name)};
    const OriginScope scope(*this, Origin::kCore);
    const std::pair<const char*, sqlite3_stmt**> texts[] = {
        {"SAVEPOINT ", &made.begin},
        {"RELEASE ", &made.release},
        {"ROLLBACK TO ", &made.rollback_to},
    };
    for (const auto& [verb, statement] : texts) {
      const std::string sql = verb + made.name;
      const int result =
          sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, statement, nullptr);
      if (result == SQLITE_OK) continue;
      Error error = SqliteError(db, result, sql);
      sqlite3_finalize(made.begin);
      sqlite3_finalize(made.release);
      return error;
    }
    savepoints.push_back(std::move(made));
    return savepoints.size() - 1;
  }

  int StepOnce(sqlite3_stmt* statement) {
    const OriginScope scope(*this, Origin::kCore);
    const int result = sqlite3_step(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
  }

  // What the authorizer saw while a statement compiled.
  struct Collected {
    std::vector<TableId> reads;
    std::vector<TableId> writes;
    const char* refused = nullptr;  // The first thing that an app may not do.
  };

  sqlite3* db = nullptr;
  bool in_memory = false;
  std::string vfs_name;  // What Reopen needs, for a database in a file.
  std::string file;
  Durability durability = Durability::kFlushed;
  std::optional<Error> unusable;  // Why Reopen failed: the connection must not be used.

  Origin origin = Origin::kCore;
  Collected* collected = nullptr;  // Set while a statement compiles.
  bool deserializing = false;

  TableNames names;
  // The schema as of known_generation.
  TableSet schema_tables;
  std::map<int64_t, TableId> roots;  // First page of a table or index, and whose it is.
  uint64_t known_generation = 0;

  // A deque, because info() is handed out by reference and its SQL keys the maps.
  std::deque<Statement> statements;
  std::map<std::string_view, StatementId> app_ids;
  std::map<std::string_view, StatementId> core_ids;
  StatementId newest = 0;
  StatementId oldest = 0;
  size_t compiled_count = 0;

  RowPacker packer;

  uint64_t schema_generation = 1;
  bool schema_dirty = false;  // DDL was compiled and is about to run.
  bool schema_changed_in_transaction = false;

  std::vector<SavepointStatements> savepoints;
  size_t open_savepoints = 0;
  std::optional<Error> lost;  // Why SQLite ended the last transaction it ended by itself.

  int wal_frames = 0;  // After the last commit.
  int checkpoint_at = kCheckpointFrames;

  ChangesetState changeset;
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::OpenInMemory() {
  auto impl = std::make_unique<Impl>();
  impl->in_memory = true;
  LS_TRY(impl->Connect(":memory:", nullptr));
  return std::unique_ptr<Database>(new Database(std::move(impl)));
}

Result<std::unique_ptr<Database>> Database::OpenImage(BytesView image) {
  const auto malformed = [](const std::string& why) {
    return Error{ErrorCode::kMalformedBytes, "the bytes are no database image: " + why};
  };
  if (const char* const fault = HeaderFault(image); fault != nullptr) return malformed(fault);
  Result<std::unique_ptr<Database>> database = OpenInMemory();
  if (!database.ok()) return database;
  Impl& self = *(*database)->impl_;
  self.deserializing = true;
  const auto size = static_cast<sqlite3_int64>(image.size());
  const int result = sqlite3_deserialize(self.db, "main", const_cast<uint8_t*>(image.data()), size,
                                         size, SQLITE_DESERIALIZE_READONLY);
  self.deserializing = false;
  if (result != SQLITE_OK) return malformed(sqlite3_errstr(result));
  if (Result<void> read = self.Execute(kReadSchema); !read.ok()) {
    return malformed(read.error().message);
  }
  return database;
}

Result<std::unique_ptr<Database>> Database::Open(const std::string& vfs_name,
                                                 const std::string& file, Durability durability) {
  auto impl = std::make_unique<Impl>();
  impl->vfs_name = vfs_name;
  impl->file = file;
  impl->durability = durability;
  LS_TRY(impl->OpenFile());
  return std::unique_ptr<Database>(new Database(std::move(impl)));
}

Result<void> Database::Remove(const std::string& vfs_name, const std::string& file) {
  internal::InitializeSqlite();
  sqlite3_vfs* const vfs = sqlite3_vfs_find(vfs_name.c_str());
  if (vfs == nullptr) return Error{ErrorCode::kInvalidArgument, "there is no VFS " + vfs_name};
  for (const char* suffix : {"", "-wal", "-journal"}) {
    const std::string name = file + suffix;
    const int result = vfs->xDelete(vfs, name.c_str(), 1);
    if (result != SQLITE_OK && result != SQLITE_IOERR_DELETE_NOENT) {
      return Error{ErrorCode::kStorageIo, name + " could not be deleted"};
    }
  }
  return Ok();
}

Result<void> Database::Reopen() {
  Impl& self = *impl_;
  LS_CHECK(!self.in_memory);
  LS_CHECK(self.open_savepoints == 0);
  self.Disconnect();
  self.lost.reset();
  self.unusable.reset();
  self.schema_dirty = false;
  self.schema_changed_in_transaction = false;
  self.wal_frames = 0;
  self.checkpoint_at = kCheckpointFrames;
  self.changeset = {};
  self.SchemaChanged();
  Result<void> opened = self.OpenFile();
  if (!opened.ok()) self.unusable = opened.error();
  return opened;
}

Result<void> Database::Exec(std::string_view sql) {
  if (impl_->unusable) return *impl_->unusable;
  return impl_->Execute(sql);
}

Result<StatementId> Database::Prepare(std::string_view sql) {
  return impl_->Prepare(sql, Origin::kApp);
}

Result<StatementId> Database::PrepareInternal(std::string_view sql) {
  return impl_->Prepare(sql, Origin::kCore);
}

const StatementInfo& Database::Info(StatementId statement) const {
  const Impl::Statement* const found = impl_->Find(statement);
  LS_CHECK(found != nullptr);
  return found->info;
}

Result<void> Database::Run(StatementId statement, BytesView binds) {
  Impl& self = *impl_;
  const Impl::Statement* const found = self.Find(statement);
  if (found == nullptr) [[unlikely]]
    return Impl::UnknownStatement(statement);
  if (!found->refusal.empty()) [[unlikely]]
    return Error{ErrorCode::kSql, found->refusal};
  if (found->info.read_only && found->origin == Origin::kApp) [[unlikely]] {
    return Error{ErrorCode::kSql, "this statement writes nothing: " + ShortenSql(found->info.sql)};
  }
  if (self.TransactionLost()) [[unlikely]]
    return self.LostError();
  sqlite3_stmt* const compiled = LS_TRY(self.Use(statement));
  const bool was_in_transaction = self.InTransaction();
  if (Result<void> bound = BindPacked(compiled, binds); !bound.ok()) [[unlikely]] {
    return std::move(bound).error();
  }
  int result = SQLITE_OK;
  {
    const Impl::OriginScope scope(self, found->origin);
    result = Impl::StepAll(compiled);
  }
  if (result != SQLITE_DONE) [[unlikely]] {
    Error error = SqliteError(self.db, result, found->info.sql);
    sqlite3_reset(compiled);
    return self.Failed(std::move(error), was_in_transaction);
  }
  // In autocommit mode the commit is part of the step, so the reset has nothing left to fail.
  sqlite3_reset(compiled);
  self.AfterCommit();
  return Ok();
}

Result<BytesView> Database::Query(StatementId statement, BytesView binds) {
  Impl& self = *impl_;
  const Impl::Statement* const found = self.Find(statement);
  if (found == nullptr) [[unlikely]]
    return Impl::UnknownStatement(statement);
  if (!found->refusal.empty()) [[unlikely]] {
    return Error{ErrorCode::kReadOnlyQuery, found->refusal};
  }
  sqlite3_stmt* const compiled = LS_TRY(self.Use(statement));
  if (!found->info.read_only) [[unlikely]] {
    return Error{ErrorCode::kReadOnlyQuery,
                 "a query may not write; state changes only through events. In: " +
                     ShortenSql(found->info.sql)};
  }
  const bool was_in_transaction = self.InTransaction();
  if (Result<void> bound = BindPacked(compiled, binds); !bound.ok()) [[unlikely]] {
    return std::move(bound).error();
  }
  Result<BytesView> rows = [&] {
    const Impl::OriginScope scope(self, found->origin);
    return self.packer.PackAll(compiled);
  }();
  sqlite3_reset(compiled);
  if (!rows.ok()) [[unlikely]]
    return self.Failed(std::move(rows).error(), was_in_transaction);
  return rows;
}

Result<int64_t> Database::QueryInt(StatementId statement, BytesView binds, int64_t fallback) {
  sqlite3_stmt* const compiled = LS_TRY(Compiled(statement));
  const bool was_in_transaction = in_transaction();
  LS_TRY(BindPacked(compiled, binds));
  const int result = sqlite3_step(compiled);
  if (result != SQLITE_ROW && result != SQLITE_DONE) {
    Error error = SqliteError(impl_->db, result, Info(statement).sql);
    sqlite3_reset(compiled);
    return impl_->Failed(std::move(error), was_in_transaction);
  }
  const int64_t value = result == SQLITE_ROW ? sqlite3_column_int64(compiled, 0) : fallback;
  sqlite3_reset(compiled);
  return value;
}

int64_t Database::changes() const { return sqlite3_changes64(impl_->db); }
bool Database::in_transaction() const { return impl_->InTransaction(); }

Result<Bytes> Database::Serialize() {
  // Page by page, because sqlite3_serialize answers a page it cannot read with zeros.
  const StatementId pages = LS_TRY(PrepareInternal("SELECT data FROM sqlite_dbpage"));
  const StatementId count = LS_TRY(PrepareInternal("PRAGMA page_count"));
  const Bytes no_binds(8);
  int64_t page_count = LS_TRY(QueryInt(count, no_binds, 0));
  if (page_count == 0 && !in_transaction()) {  // Nothing was ever written: write the header.
    LS_TRY(Exec("BEGIN IMMEDIATE; COMMIT"));
    page_count = LS_TRY(QueryInt(count, no_binds, 0));
  }
  Bytes image;
  image.reserve(static_cast<size_t>(page_count) * kPageSize);
  sqlite3_stmt* const compiled = LS_TRY(Compiled(pages));
  const bool was_in_transaction = in_transaction();
  int result = sqlite3_step(compiled);
  for (; result == SQLITE_ROW; result = sqlite3_step(compiled)) {
    const auto* const page = static_cast<const uint8_t*>(sqlite3_column_blob(compiled, 0));
    image.insert(image.end(), page, page + sqlite3_column_bytes(compiled, 0));
  }
  if (result != SQLITE_DONE) {
    Error error = SqliteError(impl_->db, result, "reading all pages");
    sqlite3_reset(compiled);
    return impl_->Failed(std::move(error), was_in_transaction);
  }
  sqlite3_reset(compiled);
  if (image.empty()) return Error{ErrorCode::kSql, "an empty database has no bytes yet"};
  image[kWriteVersionOffset] = 1;
  image[kReadVersionOffset] = 1;
  return image;
}

Result<void> Database::Deserialize(BytesView image, Image read) {
  Impl& self = *impl_;
  if (!self.in_memory) {
    return Error{ErrorCode::kInvalidArgument, "only an in-memory database can be replaced"};
  }
  LS_CHECK(!self.InTransaction());
  for (sqlite3_stmt* open = nullptr; (open = sqlite3_next_stmt(self.db, open)) != nullptr;) {
    LS_CHECK(sqlite3_stmt_busy(open) == 0);
  }
  if (read == Image::kUnread) {
    if (const auto readable = OpenImage(image); !readable.ok()) return readable.error();
  }
  auto* const copy = static_cast<uint8_t*>(sqlite3_malloc64(image.size()));
  if (copy == nullptr) return Error{ErrorCode::kInternal, "out of memory for a database image"};
  std::memcpy(copy, image.data(), image.size());
  self.SchemaChanged();
  self.deserializing = true;
  const auto size = static_cast<sqlite3_int64>(image.size());
  const int result =
      sqlite3_deserialize(self.db, "main", copy, size, size,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  self.deserializing = false;
  if (result != SQLITE_OK) return SqliteError(self.db, result, "replacing the database");
  return Ok();
}

TableNames& Database::table_names() { return impl_->names; }
sqlite3* Database::handle() const { return impl_->db; }
uint64_t Database::schema_generation() const { return impl_->schema_generation; }
ChangesetState& Database::changeset_state() { return impl_->changeset; }

Result<sqlite3_stmt*> Database::Compiled(StatementId statement) {
  const Impl::Statement* const found = impl_->Find(statement);
  if (found == nullptr) return Impl::UnknownStatement(statement);
  if (!found->refusal.empty()) return Error{ErrorCode::kSql, found->refusal};
  sqlite3_stmt* const compiled = LS_TRY(impl_->Use(statement));
  sqlite3_reset(compiled);
  sqlite3_clear_bindings(compiled);
  return compiled;
}

Error Database::LastError(int result_code, std::string_view sql) const {
  return SqliteError(impl_->db, result_code, sql);
}

Result<size_t> Database::BeginSavepoint(std::string_view name) {
  Impl& self = *impl_;
  if (self.unusable) return *self.unusable;
  if (self.TransactionLost()) return self.LostError();
  const size_t kind = LS_TRY(self.SavepointKind(name));
  if (self.open_savepoints == 0) self.lost.reset();
  sqlite3_stmt* const begin = self.savepoints[kind].begin;
  const bool was_in_transaction = self.InTransaction();
  const int result = self.StepOnce(begin);
  if (result != SQLITE_OK) {
    Error error = SqliteError(self.db, result, sqlite3_sql(begin));
    sqlite3_reset(begin);
    return self.Failed(std::move(error), was_in_transaction);
  }
  sqlite3_reset(begin);
  self.open_savepoints++;
  return kind;
}

Result<void> Database::ReleaseSavepoint(size_t kind) {
  Impl& self = *impl_;
  if (self.TransactionLost()) {
    self.open_savepoints--;
    return self.LostError();
  }
  sqlite3_stmt* const release = self.savepoints[kind].release;
  const int result = self.StepOnce(release);
  if (result == SQLITE_OK) {
    sqlite3_reset(release);
    self.open_savepoints--;
    self.NoteSchema();
    self.AfterCommit();
    return Ok();
  }
  Error error = SqliteError(self.db, result, sqlite3_sql(release));
  sqlite3_reset(release);
  error = self.Failed(std::move(error), true);
  RollbackSavepoint(kind);  // A deferred constraint, for one, leaves the savepoint open.
  return error;
}

void Database::RollbackSavepoint(size_t kind) {
  Impl& self = *impl_;
  self.open_savepoints--;
  if (self.InTransaction()) {
    const Impl::SavepointStatements& statements = self.savepoints[kind];
    for (sqlite3_stmt* const statement : {statements.rollback_to, statements.release}) {
      const int result = self.StepOnce(statement);
      if (result != SQLITE_OK) {
        // Half a roll back is worse than a whole one: end the transaction, and say so to whoever
        // holds the savepoints around this one.
        self.lost = SqliteError(self.db, result, sqlite3_sql(statement));
        sqlite3_reset(statement);
        if (self.InTransaction()) (void)self.Execute("ROLLBACK");
        break;
      }
      sqlite3_reset(statement);
    }
  }
  if (self.schema_changed_in_transaction) self.schema_dirty = true;
  self.NoteSchema();
}

}  // namespace livestore
