#include "core/base/json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/limits.h"

namespace livestore {
namespace {

// Builds the value from the parser's events. `open` is the way from the root to the innermost array
// or object that is not closed; its elements stay where they are while anything inside is open.
class Builder {
 public:
  explicit Builder(Json& root) : root_(root) {}

  [[nodiscard]] bool too_deep() const { return too_deep_; }

  bool null() {
    Add(Json::Type::kNull);
    return true;
  }
  bool boolean(bool value) {
    Add(Json::Type::kBoolean).boolean = value;
    return true;
  }
  bool number_integer(int64_t value) {
    Add(Json::Type::kInteger).integer = value;
    return true;
  }
  bool number_unsigned(uint64_t value) {
    Add(Json::Type::kUnsigned).natural = value;
    return true;
  }
  bool number_float(double value, const std::string& spelling) {
    Json& number = Add(Json::Type::kReal);
    number.real = value;
    number.text = spelling;
    return true;
  }
  bool string(std::string& value) {
    Add(Json::Type::kText).text = std::move(value);
    return true;
  }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool start_object(size_t /*size*/) { return Open(Json::Type::kObject); }
  bool start_array(size_t /*size*/) { return Open(Json::Type::kArray); }
  bool end_object() { return Close(); }
  bool end_array() { return Close(); }

  // Never called: only the binary formats have it, and the parser asks for it all the same.
  bool binary(nlohmann::json::binary_t& /*value*/) { return false; }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) {
    return false;
  }

 private:
  Json& Add(Json::Type type) {
    Json* place = &root_;
    if (!open_.empty()) {
      Json& parent = *open_.back();
      place = parent.type == Json::Type::kArray ? &parent.elements.emplace_back()
                                                : &parent.members[std::move(key_)];
    }
    *place = Json{};
    place->type = type;
    return *place;
  }
  bool Open(Json::Type type) {
    too_deep_ = open_.size() == limits::kJsonDepthMax;
    if (!too_deep_) open_.push_back(&Add(type));
    return !too_deep_;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  Json& root_;
  std::vector<Json*> open_;
  std::string key_;
  bool too_deep_ = false;
};

}  // namespace

const Json* Json::Find(std::string_view key) const {
  const auto found = members.find(key);
  return found == members.end() ? nullptr : &found->second;
}

bool Json::is_number() const {
  return type == Type::kInteger || type == Type::kUnsigned || type == Type::kReal;
}

double Json::number() const {
  if (type == Type::kInteger) return static_cast<double>(integer);
  if (type == Type::kUnsigned) return static_cast<double>(natural);
  return real;
}

bool Json::operator==(const Json& other) const {
  if (type != other.type || type == Type::kReal) {
    return is_number() && other.is_number() && number() == other.number();
  }
  return boolean == other.boolean && integer == other.integer && natural == other.natural &&
         text == other.text && elements == other.elements && members == other.members;
}

JsonOutcome ParseJson(std::string_view text, Json& value) {
  Builder builder(value);
  if (nlohmann::json::sax_parse(text, &builder)) return JsonOutcome::kParsed;
  return builder.too_deep() ? JsonOutcome::kTooDeep : JsonOutcome::kNotJson;
}

}  // namespace livestore
