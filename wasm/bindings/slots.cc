#include "wasm/bindings/slots.h"

#include <memory>
#include <vector>

#include "core/base/check.h"

namespace livestore::wasm {
namespace {

struct Entry {
  bool taken = false;
  Slot slot;
};

// One instance of the module has one table; of pointers, so that an entry stays where it is while
// the table grows.
std::vector<std::unique_ptr<Entry>>& Table() {
  static std::vector<std::unique_ptr<Entry>> table;
  return table;
}

}  // namespace

int TakeSlot() {
  std::vector<std::unique_ptr<Entry>>& table = Table();
  size_t slot = 0;
  while (slot < table.size() && table[slot]->taken) ++slot;
  if (slot == table.size()) table.push_back(std::make_unique<Entry>());
  table[slot]->taken = true;
  return static_cast<int>(slot);
}

void ReleaseSlot(int slot) {
  LS_CHECK(slot >= 0 && static_cast<size_t>(slot) < Table().size());
  *Table()[static_cast<size_t>(slot)] = {};
}

Slot* FindSlot(int slot) {
  if (slot < 0 || static_cast<size_t>(slot) >= Table().size()) return nullptr;
  Entry& entry = *Table()[static_cast<size_t>(slot)];
  const bool made = entry.slot.session != nullptr || entry.slot.leader != nullptr;
  return entry.taken && made ? &entry.slot : nullptr;
}

Slot& SlotAt(int slot) {
  LS_CHECK(slot >= 0 && static_cast<size_t>(slot) < Table().size());
  Entry& entry = *Table()[static_cast<size_t>(slot)];
  LS_CHECK(entry.taken);
  return entry.slot;
}

}  // namespace livestore::wasm
