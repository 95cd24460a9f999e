// The conformance suite of storage: what SQLite and our engine need from PoolVfs over a
// StoragePool, whatever the pool is made of. Native tests run it over memory; a browser runs the
// same list over OPFS (wasm/test/vfs_conformance_exports.cc), so it depends on no test framework.
//
// Every case holds for every pool. Faults are injected by a FaultPool around the pool under test,
// and a crash is staged by putting the bytes of its moment back, so neither asks for anything that
// only memory could do. What the suite cannot stage is a power cut that loses unflushed writes.

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
  // The same of what `run` left behind, once the pool's files have been closed and opened again, as
  // a new process finds them. Nullptr when the case says nothing of that.
  std::string (*run_reopened)(StoragePool& pool) = nullptr;
};

std::span<const ConformanceCase> ConformanceCases();

// Empties the files and runs `conformance_case`.
std::string RunConformanceCase(const ConformanceCase& conformance_case, StoragePool& pool);

// Runs the second half of a case whose first half held. Opening files can be asynchronous, so it is
// the caller who closes and opens them in between.
std::string RunConformanceCaseReopened(const ConformanceCase& conformance_case, StoragePool& pool);

}  // namespace livestore
