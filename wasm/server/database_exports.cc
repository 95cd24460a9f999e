// The module of the self-hosted sync server: one SQLite database in files of Node, as raw exports.
//
//     ls_input(n)  JavaScript writes  ls_db_run(statement, n)  JavaScript reads ls_output()
//
// It is the engine's SQLite and VFS without the engine: the server's log of events has tables of
// its own, and what it decides is decided in TypeScript, the same over every storage. One instance
// of the module holds one database. Called from js/src/sync-server/sqlite/database.ts and nowhere
// else. Each returns -1 with an error in the output, or what is said beside it.

#include <emscripten/em_macros.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/sqlite/database.h"
#include "core/sqlite/pool_vfs.h"
#include "wasm/bindings/buffers.h"
#include "wasm/vfs/host_environment.h"
#include "wasm/vfs/opfs_pool.h"

namespace livestore::wasm {
namespace {

// Members end in reverse order: the database is closed before the VFS goes, that before the pool.
struct OpenDatabase {
  explicit OpenDatabase(int pool_number) : pool(pool_number) {}

  OpfsPool pool;
  std::unique_ptr<PoolVfs> vfs;
  std::unique_ptr<Database> database;
};

std::unique_ptr<OpenDatabase>& Opened() {
  static std::unique_ptr<OpenDatabase> opened;
  return opened;
}

Result<void> Open(int pool, const std::string& file) {
  SetProcessEnvironment(HostEnvironment());
  auto opened = std::make_unique<OpenDatabase>(pool);
  opened->vfs = LS_TRY(PoolVfs::Create(opened->pool, HostEnvironment()));
  opened->database = LS_TRY(Database::Open(opened->vfs->name(), file, Durability::kFlushed));
  Opened() = std::move(opened);
  return Ok();
}

int NotOpen() { return SetErrorOutput({ErrorCode::kClosed, "the database has been closed"}); }

int Answer(const Result<void>& done) { return done.ok() ? 0 : SetErrorOutput(done.error()); }

}  // namespace
}  // namespace livestore::wasm

using namespace livestore;        // NOLINT: the exports below are C functions at global scope.
using namespace livestore::wasm;  // NOLINT

extern "C" {

// The name of the database's file in the input. Returns 0; what was open before is closed.
EMSCRIPTEN_KEEPALIVE int ls_db_open(int pool, uint32_t name_bytes) {
  Opened().reset();
  return Answer(Open(pool, std::string(AsText(InputBytes(name_bytes)))));
}

// Closing what is closed already does nothing.
EMSCRIPTEN_KEEPALIVE void ls_db_close() { Opened().reset(); }

// Closes the connection and opens the files again, the way on after a failure of storage. Returns
// 0; an open transaction is rolled back, statement numbers stay valid.
EMSCRIPTEN_KEEPALIVE int ls_db_reopen() {
  if (Opened() == nullptr) return NotOpen();
  Opened()->vfs->ClearFailure();
  return Answer(Opened()->database->Reopen());
}

// SQL in the input, without parameters or results. Returns 0.
EMSCRIPTEN_KEEPALIVE int ls_db_exec(uint32_t sql_bytes) {
  if (Opened() == nullptr) return NotOpen();
  return Answer(Opened()->database->Exec(AsText(InputBytes(sql_bytes))));
}

// SQL in the input. Returns the statement's number.
EMSCRIPTEN_KEEPALIVE int ls_db_prepare(uint32_t sql_bytes) {
  if (Opened() == nullptr) return NotOpen();
  const Result<StatementId> statement =
      Opened()->database->PrepareInternal(AsText(InputBytes(sql_bytes)));
  return statement.ok() ? static_cast<int>(*statement) : SetErrorOutput(statement.error());
}

// Binds in the input. Returns 0.
EMSCRIPTEN_KEEPALIVE int ls_db_run(uint32_t statement, uint32_t binds_bytes) {
  if (Opened() == nullptr) return NotOpen();
  return Answer(Opened()->database->Run(statement, InputBytes(binds_bytes)));
}

// Binds in the input. Returns 0 with rows in the output, valid until the next export.
EMSCRIPTEN_KEEPALIVE int ls_db_query(uint32_t statement, uint32_t binds_bytes) {
  if (Opened() == nullptr) return NotOpen();
  const Result<BytesView> rows = Opened()->database->Query(statement, InputBytes(binds_bytes));
  if (!rows.ok()) return SetErrorOutput(rows.error());
  SetOutput(*rows);
  return 0;
}

}  // extern "C"
