// What sync costs the engine alone, with the work it did beside the time.
//
// Rebase: 1,000 pending events of the leader move behind 1,000 of the backend's (bar: 50 ms).
// Rebuild: the state of 100,000 events from the log (bar: 1 s).
// BootWithPending: a leader opens a log of which 20,000 events wait for the backend (bar: 100 ms).

#include <benchmark/benchmark.h>

#include <utility>
#include <vector>

#include "core/bench/bench_leader.h"

namespace livestore {
namespace {

void Append(Leader& leader, size_t count) {
  for (size_t left = count; left > 0;) {
    const size_t batch = left < 1'000 ? left : 1'000;
    LS_CHECK(leader.Submit(1, 1, TodoPush(leader.cursor(), batch)).ok());
    LS_CHECK(leader.Drain().ok());
    left -= batch;
  }
}

void Rebase(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  std::vector<Event> theirs = NumberedTodos({}, 1'000'000'000, count, "other");
  const Bytes page = EncodePage(
      {.backend_id = {}, .events = theirs, .metadata = std::vector<std::string>(theirs.size())});
  LeaderCounters counters;
  for (auto _ : state) {
    state.PauseTiming();
    MemoryPool pool(LeaderFileNames());
    BenchLeader bench(pool, BackendSyncOptions{});
    Leader& leader = *bench.leader;
    Append(leader, count);
    const auto requests = leader.NextRequests(0);
    LS_CHECK(requests.ok() && requests->front().kind == BackendRequest::Kind::kPull);
    state.ResumeTiming();
    LS_CHECK(leader.OnPulled(requests->front().number, page, true, 0).ok());
    LS_CHECK(leader.Drain().ok());
    state.PauseTiming();
    counters = leader.counters();
    LS_CHECK(leader.sync_status().pending_count == count);
    state.ResumeTiming();
  }
  state.counters["taken_back"] = static_cast<double>(counters.events_taken_back);
  state.counters["rebased"] = static_cast<double>(counters.events_rebased);
  state.counters["pulled"] = static_cast<double>(counters.events_pulled);
}
BENCHMARK(Rebase)->Arg(1'000)->Unit(benchmark::kMillisecond);

void Rebuild(benchmark::State& state) {
  MemoryPool pool(LeaderFileNames());
  {
    BenchLeader bench(pool);
    Append(*bench.leader, static_cast<size_t>(state.range(0)));
  }
  for (auto _ : state) {
    state.PauseTiming();
    for (const char* file : {"state.db", "state.db-wal"}) {
      LS_CHECK(pool.Truncate(pool.Find(file), 0) == StorageStatus::kOk);
    }
    state.ResumeTiming();
    const BenchLeader bench(pool);
    LS_CHECK(bench.leader->counters().events_replayed == static_cast<uint64_t>(state.range(0)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Rebuild)->Arg(100'000)->Unit(benchmark::kMillisecond);

void BootWithPending(benchmark::State& state) {
  MemoryPool pool(LeaderFileNames());
  {
    BenchLeader bench(pool, BackendSyncOptions{});
    Append(*bench.leader, static_cast<size_t>(state.range(0)));
  }
  for (auto _ : state) {
    const BenchLeader bench(pool, BackendSyncOptions{});
    const auto requests = bench.leader->NextRequests(0);
    LS_CHECK(requests.ok() && requests->size() == 2);
  }
}
BENCHMARK(BootWithPending)->Arg(20'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace livestore
