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

#include <memory>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/event/event.h"
#include "core/event/event_codec.h"
#include "core/leader/leader.h"
#include "core/session/client_session.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/testing/todo_app.h"

namespace livestore {
namespace {

// A world without surprises: time stands still and randomness is a counter.
VfsEnvironment FixedEnvironment() {
  return {.now_ms = [](void*) -> int64_t { return 1'700'000'000'000; },
          .random_bytes =
              [](void*, uint8_t* out, size_t size) {
                for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i);
              },
          .context = nullptr};
}

std::vector<NewEvent> NewTodos(uint64_t first, size_t count) {
  std::vector<NewEvent> events;
  events.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    events.push_back(TodoCreated("todo-" + std::to_string(first + i), "A todo of usual length"));
  }
  return events;
}

// A push of `count` events that continues `head`.
Bytes TodoPush(const SeqNum& head, size_t count) {
  std::vector<Event> events;
  events.reserve(count);
  SeqNum last = head;
  for (NewEvent& todo : NewTodos(head.global, count)) {
    const SeqNumPair number = NextSeqNum(last, false);
    events.push_back({.seq = number.seq,
                      .parent = number.parent,
                      .name = std::move(todo.name),
                      .args_json = std::move(todo.args_json),
                      .client_id = "client",
                      .session_id = "session",
                      .schema_hash = todo.schema_hash});
    last = number.seq;
  }
  return EncodeRun(head, events);
}

void LeaderAppendMaterialize(benchmark::State& state) {
  const auto batch_events = static_cast<size_t>(state.range(0));
  MemoryPool pool(LeaderFileNames());
  const auto vfs = PoolVfs::Create(pool, FixedEnvironment());
  LS_CHECK(vfs.ok());
  TodoApp app;
  const auto leader = Leader::Open({.schema = TodoApp::Schema(), .vfs_name = (*vfs)->name()}, app);
  LS_CHECK(leader.ok());
  app.Attach([&leader](std::string_view sql) { return (*leader)->Prepare(sql); });
  for (;;) {
    const auto progress = (*leader)->BootStep();
    LS_CHECK(progress.ok());
    if (progress->stage == BootProgress::Stage::kDone) break;
  }

  const uint64_t flushes_before = (*vfs)->counters().flushes;
  uint32_t push_number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const Bytes push = TodoPush((*leader)->local_head(), batch_events);
    state.ResumeTiming();
    LS_CHECK((*leader)->Submit(1, ++push_number, push).ok());
    const auto outcome = (*leader)->Drain();
    LS_CHECK(outcome.ok());
    LS_CHECK(!outcome->entries.empty() && outcome->entries.back().result.has_value());
    LS_CHECK(outcome->entries.back().result->answer == PushAnswer::kAccepted);
  }
  const auto events = static_cast<double>(state.iterations()) * static_cast<double>(batch_events);
  state.SetItemsProcessed(static_cast<int64_t>(events));
  state.counters["flushes_per_event"] =
      static_cast<double>((*vfs)->counters().flushes - flushes_before) / events;
  // Every event went through the materializer exactly once.
  LS_CHECK(static_cast<double>(app.calls) == events);
}
BENCHMARK(LeaderAppendMaterialize)->Arg(1)->Arg(100)->Arg(1000);

void SessionCommit(benchmark::State& state) {
  const auto batch_events = static_cast<size_t>(state.range(0));
  TodoApp app;
  const auto session = ClientSession::Create(
      {.client_id = "client", .session_id = "session", .schema = TodoApp::Schema()}, app);
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
