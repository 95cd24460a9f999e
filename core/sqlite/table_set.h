// TableSet: which tables a statement reads or writes, as small sorted lists of numbers. A table
// gets its number from the TableNames of its connection when a statement first mentions it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace livestore {

using TableId = uint32_t;

class TableSet {
 public:
  void Add(TableId table);
  void AddAll(const TableSet& other);
  [[nodiscard]] bool Contains(TableId table) const;
  [[nodiscard]] bool Intersects(const TableSet& other) const;
  [[nodiscard]] bool empty() const { return tables_.empty(); }
  [[nodiscard]] const std::vector<TableId>& tables() const { return tables_; }
  bool operator==(const TableSet&) const = default;

 private:
  std::vector<TableId> tables_;  // Sorted, distinct.
};

// Names compare as SQLite compares them: ASCII case does not count.
class TableNames {
 public:
  TableId Intern(std::string_view name);
  [[nodiscard]] const std::string& Name(TableId table) const;

 private:
  std::vector<std::string> names_;
};

}  // namespace livestore
