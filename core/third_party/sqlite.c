/*
 * SQLite as the engine uses it: the amalgamation, without what none of our SQL can reach.
 *
 * Apps only read and write rows and core creates and drops tables: the authorizer in
 * core/sqlite/database.cc refuses the rest. So ALTER TABLE, ANALYZE, REINDEX and VACUUM are left
 * out (SQLITE_OMIT_* in CMakeLists.txt). The grammar of an amalgamation cannot be changed and still
 * calls them, so the functions that it calls are below, and do nothing but refuse. Part of one
 * translation unit, because those names are private to it.
 */

#ifdef SQLITE_OMIT_TRIGGER
/* SQLite declares these only with triggers, but its grammar calls them all the same. */
struct sqlite3;
struct Expr;
struct ExprList;
struct IdList;
struct Parse;
struct Select;
struct SrcList;
struct Token;
struct TriggerStep;
struct Upsert;
static void sqlite3BeginTrigger(struct Parse*, struct Token*, struct Token*, int, int,
                                struct IdList*, struct SrcList*, struct Expr*, int, int);
static void sqlite3FinishTrigger(struct Parse*, struct TriggerStep*, struct Token*);
static void sqlite3DropTrigger(struct Parse*, struct SrcList*, int);
static void sqlite3DeleteTriggerStep(struct sqlite3*, struct TriggerStep*);
static struct TriggerStep* sqlite3TriggerSelectStep(struct sqlite3*, struct Select*, const char*,
                                                    const char*);
static struct TriggerStep* sqlite3TriggerInsertStep(struct Parse*, struct SrcList*, struct IdList*,
                                                    struct Select*, unsigned char, struct Upsert*,
                                                    const char*, const char*);
static struct TriggerStep* sqlite3TriggerUpdateStep(struct Parse*, struct SrcList*, struct SrcList*,
                                                    struct ExprList*, struct Expr*, unsigned char,
                                                    const char*, const char*);
static struct TriggerStep* sqlite3TriggerDeleteStep(struct Parse*, struct SrcList*, struct Expr*,
                                                    const char*, const char*);
#endif

#include "sqlite3.c"

/*
 * The operating system layer that SQLite asks for at start-up, empty: SQLITE_OS_OTHER leaves SQLite
 * without one, and livestore's PoolVfs registers itself when it is made. So no file can ever be
 * opened past it, natively or in wasm.
 */
int sqlite3_os_init(void) { return SQLITE_OK; }

int sqlite3_os_end(void) { return SQLITE_OK; }

/* Asks the authorizer first, which has the better words for an app. */
static void refuse(Parse* parse, int action, const char* what) {
  if (sqlite3AuthCheck(parse, action, 0, 0, 0) == SQLITE_OK) {
    sqlite3ErrorMsg(parse, "%s is not part of this build of SQLite", what);
  }
}

static void refuseAlter(Parse* parse, SrcList* table) {
  sqlite3SrcListDelete(parse->db, table);
  refuse(parse, SQLITE_ALTER_TABLE, "ALTER TABLE");
}

SQLITE_PRIVATE void sqlite3AlterRenameTable(Parse* parse, SrcList* table, Token* name) {
  refuseAlter(parse, table);
}
SQLITE_PRIVATE void sqlite3AlterRenameColumn(Parse* parse, SrcList* table, Token* from, Token* to) {
  refuseAlter(parse, table);
}
SQLITE_PRIVATE void sqlite3AlterBeginAddColumn(Parse* parse, SrcList* table) {
  refuseAlter(parse, table);
}
SQLITE_PRIVATE void sqlite3AlterFinishAddColumn(Parse* parse, Token* column) {}
SQLITE_PRIVATE void sqlite3AlterDropColumn(Parse* parse, SrcList* table, const Token* column) {
  refuseAlter(parse, table);
}
SQLITE_PRIVATE void sqlite3AlterDropConstraint(Parse* parse, SrcList* table, Token* constraint,
                                               Token* column) {
  refuseAlter(parse, table);
}
SQLITE_PRIVATE void sqlite3AlterSetNotNull(Parse* parse, SrcList* table, Token* column,
                                           Token* first) {
  refuseAlter(parse, table);
}
SQLITE_PRIVATE void sqlite3AlterAddConstraint(Parse* parse, SrcList* table, Token* first,
                                              Token* name, const char* text, int size,
                                              Expr* condition) {
  sqlite3ExprDelete(parse->db, condition);
  refuseAlter(parse, table);
}

SQLITE_PRIVATE void sqlite3Analyze(Parse* parse, Token* first, Token* second) {
  refuse(parse, SQLITE_ANALYZE, "ANALYZE");
}

SQLITE_PRIVATE void sqlite3Reindex(Parse* parse, Token* first, Token* second) {
  refuse(parse, SQLITE_REINDEX, "REINDEX");
}

/* SQLite has no authorizer action for it; this one is of no other use any more. */
SQLITE_PRIVATE void sqlite3Vacuum(Parse* parse, Token* schema, Expr* into) {
  sqlite3ExprDelete(parse->db, into);
  refuse(parse, SQLITE_COPY, "VACUUM");
}

/* Left out together with VACUUM, although a file control of the B-tree uses it too. */
SQLITE_PRIVATE void sqlite3PagerClearCache(Pager* pager) {
  if (!pager->tempFile) pager_reset(pager);
}

#ifdef SQLITE_OMIT_TRIGGER
static void sqlite3BeginTrigger(Parse* parse, Token* name, Token* rest, int when, int operation,
                                IdList* columns, SrcList* table, Expr* condition, int temporary,
                                int silent) {
  sqlite3IdListDelete(parse->db, columns);
  sqlite3SrcListDelete(parse->db, table);
  sqlite3ExprDelete(parse->db, condition);
  refuse(parse, SQLITE_CREATE_TRIGGER, "CREATE TRIGGER");
}
static void sqlite3FinishTrigger(Parse* parse, TriggerStep* steps, Token* all) {}
static void sqlite3DropTrigger(Parse* parse, SrcList* name, int silent) {
  sqlite3SrcListDelete(parse->db, name);
  refuse(parse, SQLITE_DROP_TRIGGER, "DROP TRIGGER");
}
static void sqlite3DeleteTriggerStep(sqlite3* db, TriggerStep* steps) {}
static TriggerStep* sqlite3TriggerSelectStep(sqlite3* db, Select* select, const char* begin,
                                             const char* end) {
  sqlite3SelectDelete(db, select);
  return 0;
}
static TriggerStep* sqlite3TriggerInsertStep(Parse* parse, SrcList* table, IdList* columns,
                                             Select* select, u8 conflict, Upsert* upsert,
                                             const char* begin, const char* end) {
  sqlite3SrcListDelete(parse->db, table);
  sqlite3IdListDelete(parse->db, columns);
  sqlite3SelectDelete(parse->db, select);
  sqlite3UpsertDelete(parse->db, upsert);
  return 0;
}
static TriggerStep* sqlite3TriggerUpdateStep(Parse* parse, SrcList* table, SrcList* from,
                                             ExprList* changes, Expr* condition, u8 conflict,
                                             const char* begin, const char* end) {
  sqlite3SrcListDelete(parse->db, table);
  sqlite3SrcListDelete(parse->db, from);
  sqlite3ExprListDelete(parse->db, changes);
  sqlite3ExprDelete(parse->db, condition);
  return 0;
}
static TriggerStep* sqlite3TriggerDeleteStep(Parse* parse, SrcList* table, Expr* condition,
                                             const char* begin, const char* end) {
  sqlite3SrcListDelete(parse->db, table);
  sqlite3ExprDelete(parse->db, condition);
  return 0;
}
#endif
