// Every limit of the engine, by name. Exceeding one is kLimitExceeded at the call, never a hang, a
// silent cut or an unbounded queue.

#pragma once

#include <cstddef>
#include <cstdint>

namespace livestore::limits {

// One commit call. 100,000 single-row events are about 20 MB encoded.
inline constexpr uint32_t kCommitEventsMax = 100'000;
// Arguments of one event, as JSON text.
inline constexpr size_t kEventArgsBytesMax = 16u << 20;
inline constexpr size_t kNameBytesMax = 256;  // Event, table, column, client and session names.
// JSON that nests deeper is not compared as values (event arguments: byte for byte instead) and not
// read (schema descriptors). See core/base/json.h.
inline constexpr size_t kJsonDepthMax = 200;
// Statements one event may produce, and the bytes of all their binds.
inline constexpr uint32_t kStatementsPerEventMax = 1'000'000;

// One push from a session to the leader. A batch closes at whichever comes first; a single event
// may exceed the bytes, so that a large event is slow but never stuck.
inline constexpr uint32_t kPushEventsMax = 5'000;
inline constexpr size_t kPushBytesMax = 8u << 20;
// Events that a session holds unconfirmed. Beyond it commit refuses: the leader is not keeping up.
inline constexpr size_t kPendingEventsMax = 1'000'000;
// Pushes that wait in the leader for the next group commit: each session has at most one.
inline constexpr size_t kLeaderQueueMax = 4'096;
// How many events of a rebuild share a transaction: an interrupted one goes on after the last.
inline constexpr uint64_t kRebuildCommitEvents = 20'000;

// Session objects whose progress the log remembers.
inline constexpr uint32_t kSessionsRememberedMax = 10'000;
// Refused events that the log remembers, for sessions that were away.
inline constexpr uint32_t kRefusedRememberedMax = 10'000;
// What a leader says to a session that joins; one that missed more is given the image.
inline constexpr uint32_t kHistoryEventsMax = 10'000;
// Events of which a session remembers how to take them back. If more are not settled, a rebase that
// reaches further back needs the image.
inline constexpr size_t kSessionUndoMax = 100'000;

// Events that are not persisted and still show in a session; beyond it the oldest half goes. One
// commit has at most half of them, and half of the bytes (of arguments).
inline constexpr size_t kMaxOverlayEvents = 256;
inline constexpr size_t kMaxOverlayBytes = 1u << 20;

// Events without effect that are reported at once.
inline constexpr size_t kSkippedReportsMax = 100;

// The sync backend: one push, and what may be in one page of a pull.
inline constexpr uint32_t kBackendPushEventsMax = 50;
inline constexpr size_t kBackendPushBytesMax =
    900'000;  // Of arguments. One event may not exceed it.
inline constexpr uint32_t kPageEventsMax = 100'000;
// Pulled events that are merged at once: every merge rolls back all that is pending.
inline constexpr size_t kMergeEventsMax = 5'000;
// Pulled events that wait for a merge; more make the leader refuse pages until it has drained.
inline constexpr size_t kPulledEventsMax = 200'000;
// A failed call is tried again after the first time, then after twice as long, up to the maximum.
inline constexpr int64_t kBackendRetryFirstMs = 1'000;
inline constexpr int64_t kBackendRetryMaxMs = 30'000;
// How long a push that the backend called behind waits for the running pull before another starts.
inline constexpr int64_t kServerAheadWaitMs = 1'000;

// Events the leader reads from the log at once to serve history or to rebuild the state.
inline constexpr uint32_t kEventlogChunkEvents = 1'000;
inline constexpr int64_t kEventlogChunkBytes = 16 << 20;  // Of arguments; one event may exceed it.

// Compiled statements per engine; the least recently used is finalized and recompiled on use.
inline constexpr size_t kStatementsMax = 500;
// Distinct SQL texts per engine. An app that builds SQL from values would otherwise leak.
inline constexpr size_t kStatementIdsMax = 100'000;
inline constexpr size_t kSqlBytesMax = 1u << 20;
// Live queries per session, and how much of a result is kept to tell "same bytes as last time".
inline constexpr size_t kLiveQueriesMax = 100'000;
inline constexpr size_t kLiveResultBytesMax = 64u << 20;
// Changes that are looked through for the key of a live query; running it costs less than more.
inline constexpr size_t kKeyedChangesBytesMax = 4096;
inline constexpr size_t kResultBytesMax = 1u << 30;

inline constexpr size_t kSchemaBytesMax = 16u << 20;  // A schema descriptor, as JSON.
inline constexpr size_t kTablesMax = 1'000;
inline constexpr size_t kColumnsMax = 500;  // Per table. SQLite's own limit is 2,000.

// One contiguous run of writes that the VFS holds back; see core/sqlite/pool_vfs.h.
inline constexpr size_t kCoalescedWriteBytesMax = 1u << 20;

}  // namespace livestore::limits
