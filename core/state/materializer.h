// Materializer: the app's pure functions from event to writes, as core sees them. Implemented in
// wasm/adapters over JavaScript, and by tests in C++.

#pragma once

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/event/event.h"

namespace livestore {

class Materializer {
 public:
  virtual ~Materializer() = default;

  // Returns the writes of `event` as a statement batch:
  //
  //     batch := count:u32 0:u32 (statement:u32 binds_bytes:u32 binds)*count      8-aligned
  //
  // Statements are numbers from Database::Prepare of the state database; the implementation
  // prepares what it needs and may query that database. The view must live until the next call.
  // Deterministic: the result depends on the event and the state before it, on nothing else.
  //
  // `local_index` is the event's place in the commit in progress, so that JavaScript can use the
  // arguments it still holds; -1 for an event that comes from elsewhere.
  //
  // An error (kMaterializerThrew, kInvalidMaterializerResult, kUnknownEvent ...) fails the event.
  virtual Result<BytesView> Materialize(const Event& event, int local_index) = 0;
};

}  // namespace livestore
