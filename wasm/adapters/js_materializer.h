// The app's materializers, which are JavaScript, behind the interface core knows.
//
// JavaScript is asked through Module.livestoreHost.materialize (js/src/wasm/module.ts), which never
// throws: it writes a statement batch, or an error, into the batch buffer.

#pragma once

#include "core/state/materializer.h"

namespace livestore::wasm {

class JsMaterializer final : public Materializer {
 public:
  explicit JsMaterializer(int slot) : slot_(slot) {}

  Result<BytesView> Materialize(const Event& event, int local_index) override;

 private:
  int slot_;
};

}  // namespace livestore::wasm
