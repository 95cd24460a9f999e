// TodoApp: a small app for tests of the engine, with materializers in C++ instead of JavaScript.
//
// Tables: todos (primary key), notes (primary key, written by client-only events), history (no
// primary key, so no changeset can undo a write to it).
//
//     TodoCreated {id, text}      TodoDone {id}        TodoDeleted {id}
//     NoteSet {id, text}          HistoryAdded {text}  Broken {}  fails while `broken` is set
//
// Only tests, benchmarks and the simulator include this.

#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/event/event.h"
#include "core/sqlite/row_codec.h"
#include "core/state/materializer.h"
#include "core/state/schema_descriptor.h"

namespace livestore {

class TodoApp final : public Materializer {
 public:
  using Prepare = std::function<Result<StatementId>(std::string_view)>;

  // Broken events fail with this while it is set.
  std::optional<Error> broken = Error{ErrorCode::kMaterializerThrew, "it is broken"};
  // Called at the start of each materialization, before anything is returned.
  std::function<void()> on_materialize;
  int calls = 0;

  // Where statements are compiled; set once the session or leader exists.
  void Attach(Prepare prepare) { prepare_ = std::move(prepare); }

  static SchemaDescriptor Schema(std::string_view title_default = "") {
    SchemaDescriptor schema;
    schema.tables.push_back(
        {.name = "todos",
         .columns = {Column("id", "text", true),
                     Column("text", "text", false),
                     {.name = "done", .type = "integer", .default_sql = "0", .codec = "boolean"},
                     {.name = "title",
                      .type = "text",
                      .default_sql = QuoteText(title_default),
                      .codec = "text"}},
         .indexes = {}});
    schema.tables.push_back({.name = "notes",
                             .columns = {Column("id", "text", true), Column("text", "text", false)},
                             .indexes = {}});
    schema.tables.push_back(
        {.name = "history", .columns = {Column("text", "text", false)}, .indexes = {}});
    return schema;
  }

  Result<BytesView> Materialize(const Event& event, int /*local_index*/) override {
    ++calls;
    if (on_materialize) on_materialize();
    const auto args = nlohmann::json::parse(event.args_json, nullptr, false);
    if (args.is_discarded()) return Error{ErrorCode::kInvalidEventArgs, "args are no JSON"};
    const auto text = [&args](const char* key) { return args.value(key, std::string()); };
    batch_.Clear();
    if (event.name == "TodoCreated") {
      return One("insert into todos (id, text) values (?, ?)", {text("id"), text("text")});
    }
    if (event.name == "TodoDone")
      return One("update todos set done = 1 where id = ?", {text("id")});
    if (event.name == "TodoDeleted") return One("delete from todos where id = ?", {text("id")});
    if (event.name == "NoteSet") {
      return One("insert or replace into notes (id, text) values (?, ?)",
                 {text("id"), text("text")});
    }
    if (event.name == "HistoryAdded")
      return One("insert into history (text) values (?)", {text("text")});
    if (event.name == "Broken") {
      if (broken) return *broken;
      batch_.U32(0);
      batch_.U32(0);
      return batch_.view();
    }
    return Error{ErrorCode::kUnknownEvent, "no event is called " + event.name};
  }

 private:
  static ColumnDescriptor Column(std::string name, std::string type, bool primary_key) {
    return {.name = std::move(name),
            .type = std::move(type),
            .primary_key = primary_key,
            .codec = "text"};
  }

  Result<BytesView> One(std::string_view sql, std::initializer_list<std::string> values) {
    BindsWriter binds;
    for (const std::string& value : values) binds.Text(value);
    batch_.U32(1);
    batch_.U32(0);
    batch_.U32(LS_TRY(prepare_(sql)));
    batch_.U32(static_cast<uint32_t>(binds.view().size()));
    batch_.Raw(binds.view());
    return batch_.view();
  }

  Prepare prepare_;
  ByteWriter batch_;
};

inline NewEvent TodoCreated(const std::string& id, const std::string& text = "t") {
  return {.name = "TodoCreated",
          .args_json = nlohmann::json{{"id", id}, {"text", text}}.dump(),
          .schema_hash = 1};
}
inline NewEvent TodoDone(const std::string& id) {
  return {.name = "TodoDone", .args_json = nlohmann::json{{"id", id}}.dump(), .schema_hash = 2};
}
inline NewEvent NoteSet(const std::string& id, const std::string& text) {
  return {.name = "NoteSet",
          .args_json = nlohmann::json{{"id", id}, {"text", text}}.dump(),
          .client_only = true,
          .schema_hash = 3};
}
inline NewEvent HistoryAdded(const std::string& text) {
  return {
      .name = "HistoryAdded", .args_json = nlohmann::json{{"text", text}}.dump(), .schema_hash = 4};
}
inline NewEvent Broken() { return {.name = "Broken", .args_json = "{}", .schema_hash = 5}; }

}  // namespace livestore
