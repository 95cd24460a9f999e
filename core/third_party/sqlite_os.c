/*
 * The operating system layer that SQLite asks for at start-up, empty: SQLITE_OS_OTHER leaves SQLite
 * without one, and livestore's PoolVfs registers itself when it is made. So no file can ever be
 * opened past it, natively or in wasm.
 */

#include "sqlite3.h"

int sqlite3_os_init(void) { return SQLITE_OK; }

int sqlite3_os_end(void) { return SQLITE_OK; }
