#include "core/sqlite/table_set.h"

#include <gtest/gtest.h>

namespace livestore {
namespace {

TableSet SetOf(std::initializer_list<TableId> tables) {
  TableSet set;
  for (const TableId table : tables) set.Add(table);
  return set;
}

TEST(TableSetTest, IsSortedAndDistinct) {
  const TableSet set = SetOf({5, 1, 3, 1, 5});
  EXPECT_EQ(set.tables(), (std::vector<TableId>{1, 3, 5}));
  EXPECT_EQ(set, SetOf({1, 3, 5}));
  EXPECT_TRUE(set.Contains(3));
  EXPECT_FALSE(set.Contains(2));
  EXPECT_FALSE(set.empty());
  EXPECT_TRUE(TableSet().empty());
}

TEST(TableSetTest, IntersectsWhenATableIsInBoth) {
  EXPECT_TRUE(SetOf({1, 4, 9}).Intersects(SetOf({2, 3, 9})));
  EXPECT_TRUE(SetOf({9}).Intersects(SetOf({1, 4, 9})));
  EXPECT_FALSE(SetOf({1, 4, 9}).Intersects(SetOf({2, 3, 10})));
  EXPECT_FALSE(SetOf({}).Intersects(SetOf({1})));
  EXPECT_FALSE(SetOf({1}).Intersects(SetOf({})));
}

TEST(TableSetTest, AddAllIsTheUnion) {
  TableSet set = SetOf({2, 4});
  set.AddAll(SetOf({1, 4, 7}));
  EXPECT_EQ(set, SetOf({1, 2, 4, 7}));
}

TEST(TableNamesTest, AsciiCaseDoesNotCount) {
  TableNames names;
  const TableId todos = names.Intern("Todos");
  EXPECT_EQ(names.Intern("TODOS"), todos);
  EXPECT_NE(names.Intern("Todo"), todos);
  EXPECT_NE(names.Intern("T\xc3\xb6"
                         "dos"),
            names.Intern("T\xc3\x96"
                         "dos"));
  EXPECT_EQ(names.Name(todos), "Todos");
}

TEST(TableNamesDeathTest, AnUnknownNumberIsABug) {
  EXPECT_DEATH((void)TableNames().Name(0), "table < names_.size");
}

}  // namespace
}  // namespace livestore
