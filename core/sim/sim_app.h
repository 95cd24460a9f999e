// SimApp: the app of the simulation, with materializers in C++.
//
// The arguments of every event name it ("uid"), and every event that has an effect writes its uid
// to the table `seen`, which has no key: an event applied twice, or not at all, shows there.
// Arguments are flat objects of texts without quotes or commas, so that they can be read without a
// parser.
//
//     ItemAdded    insert into items, whose key conflicts with that of other events
//     ItemRemoved  delete it
//     DocSet       the last writer wins
//     NoteSet      the same, client-only
//     LogAdded     what it writes depends on the rows before it
//     Counted      the same, by a query of the materializer
//     SerialAdded  AUTOINCREMENT
//     HardAdded    into a table that no changeset can bring back
//     Extra        known to some clients only
//
// Any of them may carry "refuse" (the backend refuses it for good), "poison" (the materializer
// fails on the client named), and "leader_poison" (it fails in leaders, as a bug of the app would
// have it).

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/event/event.h"
#include "core/sqlite/database.h"
#include "core/sqlite/row_codec.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"

namespace livestore::sim {

// The text of `key` in `args`, or nothing.
inline std::string_view Arg(std::string_view args, std::string_view key) {
  const std::string quoted = "\"" + std::string(key) + "\":\"";
  const size_t at = args.find(quoted);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + quoted.size();
  return args.substr(begin, args.find('"', begin) - begin);
}
inline std::string_view UidOf(const Event& event) { return Arg(event.args_json, "uid"); }

// Every table of the app, with rowids: what law 4 compares.
inline constexpr const char* kDumpSql[] = {
    "select rowid, * from seen order by rowid", "select rowid, * from items order by rowid",
    "select rowid, * from docs order by rowid", "select rowid, * from notes order by rowid",
    "select rowid, * from log order by rowid",  "select id, uid from serials order by id",
    "select rowid, * from hard order by rowid",
};

class SimApp final : public Materializer {
 public:
  using Prepare = std::function<Result<StatementId>(std::string_view)>;
  using Query = std::function<Result<BytesView>(StatementId, BytesView)>;

  std::string client;  // Whose poison fails here.
  bool knows_extra = true;
  bool leader = false;  // A replay of the leader's log counts as the leader.

  void Attach(Prepare prepare, Query query) {
    prepare_ = std::move(prepare);
    query_ = std::move(query);
  }

  static SchemaDescriptor Schema(uint32_t version) {
    const auto column = [](const char* name, const char* type, bool primary_key = false) {
      return ColumnDescriptor{
          .name = name, .type = type, .primary_key = primary_key, .codec = type};
    };
    SchemaDescriptor schema;
    schema.tables = {
        {.name = "seen", .columns = {column("uid", "text")}, .indexes = {}},
        {.name = "items",
         .columns = {column("id", "text", true), column("uid", "text")},
         .indexes = {}},
        {.name = "docs",
         .columns = {column("id", "text", true), column("value", "text")},
         .indexes = {{.name = "docs_value", .columns = {"value"}, .unique = false}}},
        {.name = "notes",
         .columns = {column("id", "text", true), column("value", "text")},
         .indexes = {}},
        {.name = "log", .columns = {column("text", "text")}, .indexes = {}},
        {.name = "serials",
         .columns = {{.name = "id",
                      .type = "integer",
                      .primary_key = true,
                      .auto_increment = true,
                      .codec = "integer"},
                     column("uid", "text")},
         .indexes = {}},
        {.name = "anchors", .columns = {column("id", "text", true)}, .indexes = {}},
        // A foreign key is what changesets do not do; it goes where the default ends.
        {.name = "hard",
         .columns = {column("uid", "text"),
                     {.name = "doc",
                      .type = "text",
                      .nullable = true,
                      .default_sql = "null references anchors(id)",
                      .codec = "text"}},
         .indexes = {}},
    };
    schema.materializers = "v" + std::to_string(version);
    return schema;
  }

  Result<BytesView> Materialize(const Event& event, int /*local_index*/) override {
    const std::string_view args = event.args_json;
    const std::string_view poison = Arg(args, "poison");
    if ((!poison.empty() && poison == client) || (leader && !Arg(args, "leader_poison").empty())) {
      return Error{ErrorCode::kMaterializerThrew, "it is poisoned"};
    }
    const std::string_view uid = Arg(args, "uid");
    const std::string_view id = Arg(args, "id");
    batch_.Clear();
    count_ = 0;
    batch_.U32(0);
    batch_.U32(0);
    LS_TRY(Add("insert into seen (uid) values (?)", {uid}));
    if (event.name == "ItemAdded") {
      LS_TRY(Add("insert into items (id, uid) values (?, ?)", {id, uid}));
    } else if (event.name == "ItemRemoved") {
      LS_TRY(Add("delete from items where id = ?", {id}));
    } else if (event.name == "DocSet") {
      LS_TRY(
          Add("insert into docs (id, value) values (?, ?) "
              "on conflict (id) do update set value = excluded.value",
              {id, Arg(args, "value")}));
    } else if (event.name == "NoteSet") {
      LS_TRY(Add("insert or replace into notes (id, value) values (?, ?)", {id, uid}));
    } else if (event.name == "LogAdded") {
      LS_TRY(Add("insert into log (text) select ? || ' after ' || count(*) from log", {uid}));
    } else if (event.name == "Counted") {
      const StatementId count = LS_TRY(prepare_("select count(*) from seen"));
      const BytesView rows = LS_TRY(query_(count, BindsWriter().view()));
      ByteReader reader(rows);
      reader.Raw(16);
      const auto seen = static_cast<int64_t>(reader.F64());
      LS_TRY(Add("insert into log (text) values (?)",
                 {std::string(uid) + " saw " + std::to_string(seen)}));
    } else if (event.name == "SerialAdded") {
      LS_TRY(Add("insert into serials (uid) values (?)", {uid}));
    } else if (event.name == "HardAdded") {
      LS_TRY(Add("insert into hard (uid) values (?)", {uid}));
    } else if (event.name == "Extra" && knows_extra) {
      LS_TRY(Add("update docs set value = value || ?", {uid}));
    } else {
      return Error{ErrorCode::kUnknownEvent, "no event is called " + event.name};
    }
    batch_.PatchU32(0, count_);
    return batch_.view();
  }

 private:
  Result<void> Add(std::string_view sql, std::initializer_list<std::string_view> values) {
    binds_.Clear();
    for (const std::string_view value : values) binds_.Text(value);
    count_ += 1;
    batch_.U32(LS_TRY(prepare_(sql)));
    batch_.U32(static_cast<uint32_t>(binds_.view().size()));
    batch_.Raw(binds_.view());
    return Ok();
  }

  Prepare prepare_;
  Query query_;
  ByteWriter batch_;
  BindsWriter binds_;
  uint32_t count_ = 0;
};

}  // namespace livestore::sim
