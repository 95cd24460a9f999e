// The conformance suite of storage over OPFS, as exports of a module that exists for it alone.
//
// Called from wasm/test/vfs-conformance-worker.ts, which opens the files, closes and opens them
// again between the two halves of a case, and gives each half the number of their pool. What is
// returned is text that stays valid until the next call.

#include <emscripten/em_macros.h>

#include <string>
#include <utility>

#include "core/sqlite/vfs_conformance.h"
#include "wasm/vfs/opfs_pool.h"

namespace livestore::wasm {
namespace {

const char* Keep(std::string text) {
  static std::string kept;
  kept = std::move(text);
  return kept.c_str();
}

const ConformanceCase& CaseAt(int index) { return ConformanceCases()[static_cast<size_t>(index)]; }

}  // namespace

extern "C" {

// One file name a line.
EMSCRIPTEN_KEEPALIVE const char* ls_suite_files() {
  std::string names;
  for (const std::string& name : ConformanceFiles()) {
    if (!names.empty()) names += '\n';
    names += name;
  }
  return Keep(std::move(names));
}

EMSCRIPTEN_KEEPALIVE int ls_suite_count() { return static_cast<int>(ConformanceCases().size()); }

EMSCRIPTEN_KEEPALIVE const char* ls_suite_name(int index) {
  return Keep(std::string(CaseAt(index).name));
}

// What does not hold, or an empty text.
EMSCRIPTEN_KEEPALIVE const char* ls_suite_run(int index, int pool) {
  OpfsPool storage(pool);
  return Keep(RunConformanceCase(CaseAt(index), storage));
}

EMSCRIPTEN_KEEPALIVE const char* ls_suite_run_reopened(int index, int pool) {
  OpfsPool storage(pool);
  return Keep(RunConformanceCaseReopened(CaseAt(index), storage));
}

}  // extern "C"

}  // namespace livestore::wasm
