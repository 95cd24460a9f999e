#include "core/sqlite/savepoint.h"

#include "core/base/check.h"

namespace livestore {

Result<Savepoint> Savepoint::Begin(Database& database, std::string_view name) {
  return Savepoint(database, LS_TRY(database.BeginSavepoint(name)));
}

Savepoint::Savepoint(Database& database, size_t kind) : database_(&database), kind_(kind) {}

Savepoint::Savepoint(Savepoint&& other) noexcept
    : database_(other.database_), kind_(other.kind_), open_(std::exchange(other.open_, false)) {}

Savepoint::~Savepoint() { Rollback(); }

Result<void> Savepoint::Release() {
  LS_CHECK(open_);
  open_ = false;
  return database_->ReleaseSavepoint(kind_);
}

void Savepoint::Rollback() {
  if (!open_) return;
  open_ = false;
  database_->RollbackSavepoint(kind_);
}

}  // namespace livestore
