// Can a damaged changeset break the state? Rolling one back either fails with a code, and then the
// savepoint around it brings back every row, or it succeeds on rows that are as it says.

#include <memory>

#include "core/base/check.h"
#include "core/fuzz/corpus.h"
#include "core/fuzz/patch.h"
#include "core/sqlite/changeset.h"
#include "core/sqlite/savepoint.h"

namespace livestore {
namespace {

// A table with every type, and the changeset of an insert, an update and a delete in it.
struct Changed {
  std::unique_ptr<Database> database;
  Bytes changeset;
  StatementId all = 0;

  void Run(std::string_view sql) const {
    const auto statement = database->Prepare(sql);
    LS_CHECK(statement.ok() && database->Run(*statement, Bytes(8)).ok());
  }
  [[nodiscard]] Bytes Rows() const {
    const auto rows = database->Query(all, Bytes(8));
    LS_CHECK(rows.ok());
    return {rows->begin(), rows->end()};
  }
};

Changed MakeChanged() {
  Changed made;
  made.database = std::move(*Database::OpenInMemory());
  LS_CHECK(made.database
               ->Exec("create table t (id text primary key not null, n integer, r real, "
                      "b blob) strict")
               .ok());
  made.Run("insert into t values ('kept', 1, 1.5, x'00'), ('gone', 2, null, x'ff')");
  auto recorder = std::move(*ChangesetRecorder::Begin(*made.database));
  made.Run("insert into t values ('new', 9007199254740993, -0.5, x'0102')");
  made.Run("update t set n = n + 1, b = null where id = 'kept'");
  made.Run("delete from t where id = 'gone'");
  made.changeset = *recorder.Finish();
  made.all = *made.database->Prepare("select * from t order by id");
  return made;
}

Corpus MakeCorpus() {
  const Bytes& valid = MakeChanged().changeset;
  const BytesView all(valid);
  // Edits: (offset:u16 value:u8)*.
  return {{"valid", Chosen(0, valid)},
          {"half", Chosen(0, all.first(valid.size() / 2))},
          {"unedited", Chosen(1, {})},
          {"next_version", Chosen(1, Bytes{0, 0, 2})},
          {"other_columns", Chosen(1, Bytes{4, 0, 3})},
          {"other_rows", Chosen(1, Bytes{16, 0, 9, 40, 0, 1, 60, 0, 255})}};
}

}  // namespace
}  // namespace livestore

// The first byte chooses: bytes as they are, or edits of the valid changeset.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace livestore;
  static const Changed made = MakeChanged();
  if (size == 0) return 0;
  const BytesView rest(data + 1, size - 1);
  const Bytes changeset =
      data[0] % 4 == 0 ? Bytes(rest.begin(), rest.end()) : Patched(made.changeset, rest);
  static_cast<void>(TablesOf(*made.database, changeset));
  const Bytes before = made.Rows();
  {
    const auto savepoint = Savepoint::Begin(*made.database, "fuzz");
    LS_CHECK(savepoint.ok());
    static_cast<void>(ApplyInverse(*made.database, changeset));
    static_cast<void>(made.Rows());  // Readable, whatever happened.
  }
  LS_CHECK(made.Rows() == before);
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return livestore::OfferCorpus(*argc, *argv, &livestore::MakeCorpus);
}
