// Runs the conformance suite of storage over memory, plainly and behind a second pool that passes
// everything on.

#include "core/sqlite/vfs_conformance.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>

#include "core/sqlite/fault_pool.h"
#include "core/sqlite/memory_pool.h"

namespace livestore {
namespace {

enum class PoolKind { kMemory, kForwarding };

class VfsConformanceTest : public testing::TestWithParam<std::tuple<PoolKind, ConformanceCase>> {};

TEST_P(VfsConformanceTest, Holds) {
  MemoryPool memory(ConformanceFiles());
  FaultPool forwarding(memory);
  const auto& [kind, conformance_case] = GetParam();
  StoragePool& pool = kind == PoolKind::kMemory ? static_cast<StoragePool&>(memory) : forwarding;
  ASSERT_EQ(RunConformanceCase(conformance_case, pool), "");
  // Memory has nothing to close; what is new in the second half is the VFS.
  EXPECT_EQ(RunConformanceCaseReopened(conformance_case, pool), "");
}

INSTANTIATE_TEST_SUITE_P(Pools, VfsConformanceTest,
                         testing::Combine(testing::Values(PoolKind::kMemory, PoolKind::kForwarding),
                                          testing::ValuesIn(ConformanceCases().begin(),
                                                            ConformanceCases().end())),
                         [](const auto& tested) {
                           const bool memory = std::get<0>(tested.param) == PoolKind::kMemory;
                           return std::string(std::get<1>(tested.param).name) +
                                  (memory ? "Memory" : "Forwarding");
                         });

TEST(VfsConformanceSuite, AFailingCaseIsReported) {
  MemoryPool memory(ConformanceFiles());
  const ConformanceCase failing{"Fails", [](StoragePool&) -> std::string { return "why"; }};
  EXPECT_EQ(RunConformanceCase(failing, memory), "why");
  EXPECT_EQ(RunConformanceCaseReopened(failing, memory), "");
}

TEST(VfsConformanceSuite, ACaseThatFailsReopenedIsReported) {
  MemoryPool memory(ConformanceFiles());
  const ConformanceCase failing{"Fails", [](StoragePool&) -> std::string { return ""; },
                                [](StoragePool&) -> std::string { return "why"; }};
  EXPECT_EQ(RunConformanceCase(failing, memory), "");
  EXPECT_EQ(RunConformanceCaseReopened(failing, memory), "why");
}

TEST(VfsConformanceSuite, APoolWithoutTheFilesIsReported) {
  MemoryPool memory({"a.db"});
  EXPECT_EQ(RunConformanceCase(ConformanceCases().front(), memory),
            "the pool does not hold a.db-wal");
}

}  // namespace
}  // namespace livestore
