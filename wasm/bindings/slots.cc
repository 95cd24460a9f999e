#include "wasm/bindings/slots.h"

#include <deque>

#include "core/base/check.h"

namespace livestore::wasm {
namespace {

struct Entry {
  bool taken = false;
  Slot slot;
};

// One instance of the module has one table; a deque, so that references stay valid while it grows.
std::deque<Entry>& Table() {
  static std::deque<Entry> table;
  return table;
}

}  // namespace

int TakeSlot() {
  std::deque<Entry>& table = Table();
  for (size_t i = 0; i < table.size(); ++i) {
    if (!table[i].taken) {
      table[i] = {.taken = true, .slot = {}};
      return static_cast<int>(i);
    }
  }
  table.push_back({.taken = true, .slot = {}});
  return static_cast<int>(table.size() - 1);
}

void ReleaseSlot(int slot) {
  LS_CHECK(slot >= 0 && static_cast<size_t>(slot) < Table().size());
  Table()[static_cast<size_t>(slot)] = {};
}

Slot* FindSlot(int slot) {
  if (slot < 0 || static_cast<size_t>(slot) >= Table().size()) return nullptr;
  Entry& entry = Table()[static_cast<size_t>(slot)];
  const bool made = entry.slot.session != nullptr || entry.slot.leader != nullptr;
  return entry.taken && made ? &entry.slot : nullptr;
}

Slot& SlotAt(int slot) {
  LS_CHECK(slot >= 0 && static_cast<size_t>(slot) < Table().size());
  Entry& entry = Table()[static_cast<size_t>(slot)];
  LS_CHECK(entry.taken);
  return entry.slot;
}

}  // namespace livestore::wasm
