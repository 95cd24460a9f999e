// Can an app's schema break the engine? Any text is a schema descriptor or a coded error, and what
// is accepted has one hash and DDL that SQLite takes; only an SQL default of the app's own may be
// refused by SQLite.

#include <string>

#include "core/base/check.h"
#include "core/fuzz/patch.h"
#include "core/sqlite/database.h"
#include "core/state/schema_descriptor.h"

namespace livestore {
namespace {

constexpr std::string_view kValid =
    R"({"version":1,"tables":[{"name":"todos","columns":[)"
    R"({"name":"id","type":"text","nullable":false,"primaryKey":true,"autoIncrement":false,)"
    R"("default":null,"codec":"text"},)"
    R"({"name":"n","type":"integer","nullable":true,"primaryKey":false,"autoIncrement":false,)"
    R"("default":{"value":3},"codec":"integer"},)"
    R"({"name":"b","type":"blob","nullable":true,"primaryKey":false,"autoIncrement":false,)"
    R"("default":{"value":{"blob":"00ff"}},"codec":"blob"}],)"
    R"("indexes":[{"name":"i","columns":["n"],"unique":true}]}]})";

void Check(std::string_view json) {
  const auto schema = ParseSchemaDescriptor(json);
  if (!schema.ok()) return;
  LS_CHECK(SchemaHash(*schema) == SchemaHash(*ParseSchemaDescriptor(json)));
  // An expression is the app's own SQL: only SQLite can say whether it is any good.
  if (json.find("\"sql\"") != std::string_view::npos || json.find('\\') != std::string_view::npos) {
    return;
  }
  const auto database = Database::OpenInMemory();
  LS_CHECK(database.ok());
  for (const TableDescriptor& table : schema->tables) {
    LS_CHECK((*database)->Exec(CreateTableSql(table)).ok());
    for (const IndexDescriptor& index : table.indexes) {
      LS_CHECK((*database)->Exec(CreateIndexSql(table, index)).ok());
    }
  }
}

}  // namespace
}  // namespace livestore

// The first byte chooses: the text itself, or edits of a valid one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace livestore;
  if (size == 0) return 0;
  const BytesView rest(data + 1, size - 1);
  if (data[0] % 4 == 0) {
    Check(AsText(rest));
  } else {
    const BytesView valid = AsBytes(kValid);
    Check(AsText(Patched(Bytes(valid.begin(), valid.end()), rest)));
  }
  return 0;
}
