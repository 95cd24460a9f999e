// Can an app's schema break the engine? Any text is a schema descriptor or a coded error, and what
// is accepted has one hash and DDL that SQLite takes; only an SQL default of the app's own may be
// refused by SQLite.

#include <string>

#include "core/base/check.h"
#include "core/fuzz/corpus.h"
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

Corpus MakeCorpus() {
  const auto text = [](std::string json) { return Chosen(0, AsBytes(json)); };
  const auto replaced = [&](std::string_view part, std::string_view by) {
    std::string json(kValid);
    return text(json.replace(json.find(part), part.size(), by));
  };
  return {{"valid", text(std::string(kValid))},
          {"no_tables", text(R"({"version":1,"tables":[]})")},
          {"unfinished", text(std::string(kValid.substr(0, kValid.size() / 2)))},
          {"another_version", replaced("\"version\":1", "\"version\":2")},
          {"no_such_type", replaced("\"type\":\"integer\"", "\"type\":\"any\"")},
          {"sql_default", replaced("{\"value\":3}", "{\"sql\":\"1 + 2\"}")},
          {"quoted_name", replaced("todos", "a\"\"b")},
          {"edited", Chosen(1, Bytes{30, 0, 'x', 90, 0, '"'})}};
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

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return livestore::OfferCorpus(*argc, *argv, &livestore::MakeCorpus);
}
