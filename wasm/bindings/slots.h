// Slots: the small integers by which raw exports and host callbacks name an engine object.
//
// A handle class (client_session_bindings.cc, leader_bindings.cc) takes a slot for the life of its
// engine object. Slots are reused only after their object is gone.

#pragma once

#include <string>
#include <string_view>

#include "core/api/client_session.h"
#include "core/api/leader.h"

namespace livestore::wasm {

// What every engine object lets JavaScript read, and what only a session can do.
struct Slot {
  ClientSession* session = nullptr;
  Leader* leader = nullptr;

  Result<StatementId> Prepare(std::string_view sql) {
    return session ? session->Prepare(sql) : leader->Prepare(sql);
  }
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const {
    return session ? session->Info(statement) : leader->Info(statement);
  }
  [[nodiscard]] const std::string& TableName(TableId table) const {
    return session ? session->TableName(table) : leader->TableName(table);
  }
  Result<BytesView> Query(StatementId statement, BytesView binds) {
    return session ? session->Query(statement, binds) : leader->Query(statement, binds);
  }
};

// Returns a free slot, still empty.
int TakeSlot();
void ReleaseSlot(int slot);
// nullptr for a number that is not taken or whose object is not made yet.
Slot* FindSlot(int slot);
// REQUIRES: taken.
Slot& SlotAt(int slot);

}  // namespace livestore::wasm
