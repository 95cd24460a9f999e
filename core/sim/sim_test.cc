#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "core/sim/prng.h"
#include "core/sim/sim_backend.h"
#include "core/sim/sim_pool.h"
#include "core/sim/world.h"

namespace livestore::sim {
namespace {

Bytes Text(std::string_view text) { return {text.begin(), text.end()}; }

std::string Content(SimPool& pool, StoragePool::Handle file) {
  std::string content(static_cast<size_t>(pool.Size(file)), '\0');
  pool.Read(file, reinterpret_cast<uint8_t*>(content.data()), content.size(), 0);
  return content;
}

TEST(PrngTest, SameSeedSameNumbersOnEveryMachine) {
  // What the reference implementation yields: splitmix64 of 1234567, and xoshiro256** seeded by it.
  uint64_t state = 1234567;
  EXPECT_EQ(SplitMix(state), 6457827717110365317u);
  EXPECT_EQ(SplitMix(state), 3203168211198807973u);
  Prng a(7);
  Prng b(7);
  Prng c(8);
  EXPECT_EQ(a.Next(), b.Next());
  EXPECT_NE(a.Next(), c.Next());
}

TEST(SimPoolTest, Law2_WhatWasFlushedSurvivesEveryPowerCut) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Prng prng(seed);
    SimPool pool({"a"});
    ASSERT_EQ(pool.Write(0, Text("flushed"), 0), StorageStatus::kOk);
    ASSERT_EQ(pool.Flush(0), StorageStatus::kOk);
    ASSERT_EQ(pool.Write(0, Text("later"), 7), StorageStatus::kOk);
    EXPECT_EQ(Content(pool, 0), "flushedlater");
    pool.PowerCut(prng);
    EXPECT_TRUE(Content(pool, 0) == "flushed" || Content(pool, 0) == "flushedlater");
  }
}

TEST(SimPoolTest, APowerCutTearsAWriteAtSectors) {
  bool torn = false;
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    Prng prng(seed);
    SimPool pool({"a"});
    ASSERT_EQ(pool.Write(0, Bytes(2048, 'x'), 100), StorageStatus::kOk);
    pool.PowerCut(prng);
    const std::string content = Content(pool, 0);
    for (size_t i = 101; i < content.size(); ++i) {
      if (content[i] == content[i - 1]) continue;
      EXPECT_EQ(i % 512, 0u);
      torn = true;
    }
  }
  EXPECT_TRUE(torn);
}

TEST(SimPoolTest, TheEndOfAProcessAloneLosesNothing) {
  SimPool pool({"a"});
  ASSERT_EQ(pool.Write(0, Text("written"), 0), StorageStatus::kOk);
  pool.Crash();
  EXPECT_EQ(pool.Write(0, Text("x"), 0), StorageStatus::kIoError);
  EXPECT_EQ(pool.Size(0), -1);
  pool.Restart();
  EXPECT_EQ(Content(pool, 0), "written");
}

TEST(SimPoolTest, FaultsHappenWhereTheyWereArmed) {
  SimPool pool({"a"});
  pool.Arm(SimPool::Fault::kFull, 1, 2);
  EXPECT_EQ(pool.Write(0, Text("1"), 0), StorageStatus::kOk);
  EXPECT_EQ(pool.Write(0, Text("22"), 1), StorageStatus::kFull);
  EXPECT_EQ(Content(pool, 0), "12");  // A part of it is there.
  EXPECT_EQ(pool.Flush(0), StorageStatus::kOk);
  EXPECT_EQ(pool.Write(0, Text("3"), 1), StorageStatus::kFull);
  EXPECT_EQ(pool.Write(0, Text("4"), 1), StorageStatus::kOk);
  EXPECT_EQ(pool.failures(), 2u);
}

Event Synced(uint64_t global, const std::string& uid, const std::string& more = "") {
  return {.seq = {.global = global},
          .parent = {.global = global - 1},
          .name = "DocSet",
          .args_json = R"({"uid":")" + uid + '"' + more + "}",
          .client_id = "c0",
          .session_id = "s0"};
}

TEST(SimBackendTest, Law5_TakesABatchOnlyIfItContinuesTheHead) {
  SimBackend backend(false, false);
  EXPECT_EQ(backend.Push("", std::vector{Synced(1, "a"), Synced(2, "b")}).verdict,
            SimBackend::Verdict::kTaken);
  EXPECT_EQ(backend.Push("", std::vector{Synced(2, "c")}).verdict, SimBackend::Verdict::kAhead);
  EXPECT_EQ(backend.Push("", std::vector{Synced(4, "c")}).verdict, SimBackend::Verdict::kAhead);
  EXPECT_EQ(backend.head(), 2u);
  EXPECT_EQ(backend.complaint(), "");
  EXPECT_EQ(backend.Push("", std::vector{Synced(3, "a")}).verdict, SimBackend::Verdict::kTaken);
  EXPECT_THAT(backend.complaint(), ::testing::HasSubstr("a is in the backend's log twice"));
}

TEST(SimBackendTest, RefusesWhatSaysSoAndForgetsAllAtAReset) {
  SimBackend backend(true, true);
  const std::vector<Event> events{Synced(1, "a"), Synced(2, "b", R"(,"refuse":"1")")};
  const SimBackend::Answer answer = backend.Push("", events);
  EXPECT_EQ(answer.verdict, SimBackend::Verdict::kRefused);
  EXPECT_EQ(answer.refused_index, 1u);
  EXPECT_EQ(backend.head(), 1u);
  EXPECT_TRUE(backend.refused().contains("b"));
  backend.Reset();
  EXPECT_EQ(backend.head(), 0u);
  EXPECT_EQ(backend.Push("b0", std::vector{Synced(1, "c")}).verdict,
            SimBackend::Verdict::kWrongBackend);
}

TEST(SimBackendTest, RewrittenArgumentsAreTheSameEvent) {
  SimBackend backend(true, false);
  const Event event = Synced(1, "a", R"(,"id":"k","value":"v")");
  backend.Push("", std::vector{event});
  EXPECT_NE(backend.events()[0].args_json, event.args_json);
  EXPECT_TRUE(SameEvent(backend.events()[0], event));
}

// The seed that runs, for whoever reads of a check that ended the process.
char running[64];

void SayWhichSeed(int number) {
  std::fputs(running, stderr);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void ExpectNoViolation(const WorldOptions& options) {
  std::snprintf(running, sizeof running, "in the simulation of seed %llu\n",
                static_cast<unsigned long long>(options.seed));
  std::signal(SIGABRT, SayWhichSeed);
  World world(options);
  const WorldReport report = world.Run();
  std::signal(SIGABRT, SIG_DFL);
  if (report.violation) {
    ADD_FAILURE() << "seed " << options.seed << " breaks law " << report.violation->law << ": "
                  << report.violation->message << "\n  core_sim --shrink " << options.seed;
  }
}

TEST(SimTest, AllLaws_RecordedSeeds) {
  std::ifstream file(LS_SEEDS_FILE);
  ASSERT_TRUE(file.is_open());
  std::string line;
  while (std::getline(file, line)) {
    WorldOptions options;
    if (ParseSeedLine(line, options)) ExpectNoViolation(options);
  }
}

TEST(SimTest, AllLaws_FreshSeeds) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    ExpectNoViolation({.seed = seed, .steps = 40});
    if (HasFailure()) return;
  }
}

TEST(SimTest, Law10_SameSeedSameTrace) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const uint64_t first = World({.seed = seed}).Run().trace_hash;
    EXPECT_EQ(World({.seed = seed}).Run().trace_hash, first) << "seed " << seed;
  }
}

}  // namespace
}  // namespace livestore::sim
