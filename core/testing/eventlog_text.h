// Events to put into a log, what a log says, as text, and damage to its file: for its tests.

#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/eventlog/eventlog.h"
#include "core/sqlite/database.h"
#include "core/sqlite/pool_vfs.h"

namespace livestore {

// `count` events that continue `head`, every fourth one client-only.
inline std::vector<Event> Chain(SeqNum head, size_t count, const std::string& args = "") {
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    const SeqNumPair next = NextSeqNum(head, i % 4 == 3);
    events.push_back({.seq = next.seq,
                      .parent = next.parent,
                      .name = "v1.TodoCreated",
                      .args_json = R"({"id":")" + ToString(next.seq) + args + "\"}",
                      .client_id = "client",
                      .session_id = "session",
                      .schema_hash = static_cast<int64_t>(i) - 5});
    head = next.seq;
  }
  return events;
}

inline Result<void> AppendGroup(Eventlog& log, const std::vector<Event>& events) {
  LS_TRY(log.Begin());
  LS_TRY(log.Append(events));
  return log.Commit();
}

inline std::vector<Event> All(Eventlog& log) {
  auto events = log.Range(kRootSeqNum, std::numeric_limits<uint32_t>::max());
  EXPECT_TRUE(events.ok()) << events.error().message;
  return events.ok() ? std::move(*events) : std::vector<Event>();
}

// Everything that a log says, to compare it.
inline std::string Dump(Eventlog& log) {
  std::string dump = "upstream " + std::to_string(log.upstream_head()) + ", backend " +
                     log.backend_id() + ", tab " + std::to_string(*log.Accepted("tab"));
  const auto all_refused = log.Refused("tab");
  for (const RefusedCommit& refused : *all_refused) {
    dump += ", refused " + std::to_string(refused.counter) + " " + refused.error.message;
  }
  for (const Event& event : All(log)) {
    dump += ", " + ToString(event.seq) + " " + event.args_json + " " +
            std::to_string(event.origin.counter);
    if (!event.client_only()) dump += " " + *log.SyncMetadata(event.seq.global);
  }
  const std::vector<Event> events = All(log);
  EXPECT_EQ(log.event_count(), events.size());
  EXPECT_TRUE(log.head() == (events.empty() ? Head() : HeadOf(events.back())));
  return dump;
}

// Changes a database file as some other program might.
inline void Tamper(const PoolVfs& vfs, const std::string& file, const std::string& sql) {
  auto database = Database::Open(vfs.name(), file, Durability::kFlushed);
  ASSERT_TRUE(database.ok()) << database.error().message;
  const Result<void> executed = (*database)->Exec(sql);
  ASSERT_TRUE(executed.ok()) << executed.error().message;
}

}  // namespace livestore
