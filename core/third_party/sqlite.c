/*
 * SQLite as the engine uses it: the amalgamation, without what none of our SQL can reach.
 *
 * Apps only read and write rows and core creates and drops tables: the authorizer in
 * core/sqlite/database.cc refuses the rest. So ALTER TABLE, ANALYZE, REINDEX and VACUUM are left
 * out (SQLITE_OMIT_* in CMakeLists.txt). The grammar of an amalgamation cannot be changed and still
 * calls them, so the functions that it calls are below, and do nothing but refuse. Part of one
 * translation unit, because those names are private to it.
 */

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
