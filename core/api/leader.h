// The leader engine as wasm/ is built on it, with the VFS it runs on. Public is a directory: what a
// binding may include from the engine is here.

#pragma once

#include "core/event/event_codec.h"   // IWYU pragma: export
#include "core/leader/leader.h"       // IWYU pragma: export
#include "core/sqlite/memory_pool.h"  // IWYU pragma: export
