// What an event costs the engine alone: without browser, JavaScript and disk.
//
// LeaderAppendMaterialize is the way of a push through the leader: decode, admit, append to the
// eventlog, materialize one row with a changeset, flush, answer. SessionCommit is the way of a
// commit through a client session. The argument is the number of events in the batch;
// items_per_second is events per second. The bar is 100,000 per second for the leader at 1,000
// events.
//
// Storage is in memory, so flushes are counted (flushes_per_event) and cost nothing. Materializers
// are C++ and parse the JSON arguments, as JavaScript ones would.

#include <benchmark/benchmark.h>

#include <vector>

#include "core/bench/bench_leader.h"
#include "core/session/client_session.h"

namespace livestore {
namespace {

void LeaderAppendMaterialize(benchmark::State& state) {
  const auto batch_events = static_cast<size_t>(state.range(0));
  MemoryPool pool(LeaderFileNames());
  BenchLeader bench(pool);
  Leader& leader = *bench.leader;

  const uint64_t flushes_before = bench.vfs->counters().flushes;
  uint32_t push_number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const Bytes push = TodoPush(leader.cursor(), batch_events);
    state.ResumeTiming();
    LS_CHECK(leader.Submit(1, ++push_number, push).ok());
    const auto outcome = leader.Drain();
    LS_CHECK(outcome.ok());
    LS_CHECK(!outcome->entries.empty() && outcome->entries.back().result.has_value());
    LS_CHECK(outcome->entries.back().result->answer == PushAnswer::kAccepted);
  }
  const auto events = static_cast<double>(state.iterations()) * static_cast<double>(batch_events);
  state.SetItemsProcessed(static_cast<int64_t>(events));
  state.counters["flushes_per_event"] =
      static_cast<double>(bench.vfs->counters().flushes - flushes_before) / events;
  // Every event went through the materializer exactly once.
  LS_CHECK(static_cast<double>(bench.app.calls) == events);
}
BENCHMARK(LeaderAppendMaterialize)->Arg(1)->Arg(100)->Arg(1000);

void SessionCommit(benchmark::State& state) {
  const auto batch_events = static_cast<size_t>(state.range(0));
  TodoApp app;
  const auto session = ClientSession::Create({.client_id = "client",
                                              .session_id = "session",
                                              .instance = "bench",
                                              .schema = TodoApp::Schema()},
                                             app);
  LS_CHECK(session.ok());
  app.Attach([&session](std::string_view sql) { return (*session)->Prepare(sql); });

  uint64_t committed = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<NewEvent> events = NewTodos(committed, batch_events);
    state.ResumeTiming();
    LS_CHECK((*session)->Commit(events).ok());
    state.PauseTiming();
    // The leader keeps up: what is pending does not grow from round to round.
    while ((*session)->NextPush().has_value()) LS_CHECK((*session)->OnPushAccepted().ok());
    committed += batch_events;
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(committed));
}
BENCHMARK(SessionCommit)->Arg(1)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace livestore
