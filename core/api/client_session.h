// The session engine as wasm/ is built on it. Public is a directory: what a binding may include
// from the engine is here.

#pragma once

#include "core/event/event_codec.h"       // IWYU pragma: export
#include "core/session/client_session.h"  // IWYU pragma: export
