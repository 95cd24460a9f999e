// The conformance suite of storage: what SQLite and our engine need from PoolVfs over a
// StoragePool, whatever the pool is made of. Native tests run it over memory; the wasm tests run
// the same list over OPFS in a browser, so it depends on no test framework.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/sqlite/storage_pool.h"

namespace livestore {

// The files a pool must hold for the suite. Their contents are lost.
std::vector<std::string> ConformanceFiles();

struct ConformanceCase {
  std::string_view name;  // What must hold, as a test name.
  // Returns what does not hold, with its place in the source, or an empty text.
  std::string (*run)(StoragePool& pool);
};

std::span<const ConformanceCase> ConformanceCases();

// Empties the files and runs `conformance_case`.
std::string RunConformanceCase(const ConformanceCase& conformance_case, StoragePool& pool);

}  // namespace livestore
