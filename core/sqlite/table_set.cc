#include "core/sqlite/table_set.h"

#include <sqlite3.h>

#include <algorithm>

#include "core/base/check.h"

namespace livestore {

void TableSet::Add(TableId table) {
  const auto place = std::lower_bound(tables_.begin(), tables_.end(), table);
  if (place == tables_.end() || *place != table) tables_.insert(place, table);
}

void TableSet::AddAll(const TableSet& other) {
  for (const TableId table : other.tables_) Add(table);
}

bool TableSet::Contains(TableId table) const {
  return std::binary_search(tables_.begin(), tables_.end(), table);
}

bool TableSet::Intersects(const TableSet& other) const {
  auto a = tables_.begin();
  auto b = other.tables_.begin();
  while (a != tables_.end() && b != other.tables_.end()) {
    if (*a == *b) return true;
    if (*a < *b) {
      ++a;
    } else {
      ++b;
    }
  }
  return false;
}

TableId TableNames::Intern(std::string_view name) {
  for (size_t i = 0; i < names_.size(); i++) {
    if (names_[i].size() == name.size() &&
        sqlite3_strnicmp(names_[i].data(), name.data(), static_cast<int>(name.size())) == 0) {
      return static_cast<TableId>(i);
    }
  }
  names_.emplace_back(name);
  return static_cast<TableId>(names_.size() - 1);
}

const std::string& TableNames::Name(TableId table) const {
  LS_CHECK(table < names_.size());
  return names_[table];
}

}  // namespace livestore
