// Tail: the end of a session's log, as far as it may still be taken back, with how to do it.
//
//     before ── e3 ── e4 ── e5' ── e6'
//               '─accepted─'  '─pending─'
//
// Heads ascend, each continuing the one before. Knows rows and changesets, nothing of merging.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/event/event.h"
#include "core/sqlite/database.h"
#include "core/state/state_db.h"

namespace livestore {

struct TailEntry {
  Head head;        // After the event.
  Bytes changeset;  // Empty if the event changed nothing.
  bool undoable = true;
  uint64_t counter = 0;  // Of an own event; 0: of another's.
};

class Tail {
 public:
  // Empty, after `before`.
  explicit Tail(const Head& before = {}) : before_(before) {}
  // What the leader's image can take back, all of it accepted. `head` is the image's. What does not
  // continue one another, as it may come from anywhere, is left out with all before it.
  static Tail OfImage(std::vector<UndoEntry> undo, const Head& head);

  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] size_t accepted() const { return accepted_; }
  [[nodiscard]] TailEntry& operator[](size_t index) { return entries_[index]; }
  [[nodiscard]] const TailEntry& operator[](size_t index) const { return entries_[index]; }
  // The head before the entry at `index`, or the last one. REQUIRES: index <= size().
  [[nodiscard]] const Head& Before(size_t index) const;
  [[nodiscard]] const Head& upstream_head() const { return Before(accepted_); }
  // The accepted entry before which `head` is, or accepted() for the upstream head.
  [[nodiscard]] std::optional<size_t> Find(const Head& head) const;

  // Appends a pending entry.
  void Append(TailEntry entry) { entries_.push_back(std::move(entry)); }
  // The first `count` pending entries are accepted now. Remembers limits::kSessionUndoMax of these.
  void Accept(size_t count);
  // Forgets all entries from `size` on; their rows are the caller's business.
  void Truncate(size_t size);
  // Forgets how to take back the first `count` entries. REQUIRES: they are accepted.
  void Forget(size_t count);
  // The same for those up to this position.
  void Settle(const SeqNum& settled);

  // Takes the rows of all entries from `from` on back, newest first, and leaves the entries. Adds
  // the tables that change to `touched`. Fails with kNotUndoable, kMalformedBytes; the caller holds
  // a savepoint and rolls it back then.
  Result<void> RollBack(Database& database, size_t from, TableSet& touched) const;

 private:
  Head before_;
  std::vector<TailEntry> entries_;
  size_t accepted_ = 0;
};

}  // namespace livestore
