// Time and randomness for SQLite, from JavaScript.

#pragma once

#include "core/sqlite/vfs_environment.h"

namespace livestore::wasm {

VfsEnvironment HostEnvironment();

}  // namespace livestore::wasm
