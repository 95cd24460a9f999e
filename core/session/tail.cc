#include "core/session/tail.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/sqlite/changeset.h"

namespace livestore {

Tail Tail::OfImage(std::vector<UndoEntry> undo, const Head& head) {
  size_t first = undo.size();
  for (const Head* after = &head; first > 0; --first) {
    const Head& before = undo[first - 1].before;
    if (!ContinuesHead(before.seq, after->seq)) break;
    after = &before;
  }
  Tail tail(first == undo.size() ? head : undo[first].before);
  for (size_t i = first; i < undo.size(); ++i) {
    tail.Append({.head = i + 1 == undo.size() ? head : undo[i + 1].before,
                 .changeset = std::move(undo[i].changeset),
                 .undoable = undo[i].undoable,
                 .counter = 0});
  }
  tail.Accept(tail.size());
  return tail;
}

const Head& Tail::Before(size_t index) const {
  LS_CHECK(index <= entries_.size());
  return index == 0 ? before_ : entries_[index - 1].head;
}

std::optional<size_t> Tail::Find(const Head& head) const {
  // Mostly it is the last one.
  for (size_t index = accepted_ + 1; index > 0; --index) {
    if (Before(index - 1) == head) return index - 1;
  }
  return std::nullopt;
}

void Tail::Accept(size_t count) {
  LS_CHECK(count <= entries_.size() - accepted_);
  accepted_ += count;
  if (accepted_ > limits::kSessionUndoMax) Forget(accepted_ - limits::kSessionUndoMax);
}

void Tail::Truncate(size_t size) {
  LS_CHECK(size <= entries_.size());
  entries_.resize(size);
  accepted_ = std::min(accepted_, size);
}

void Tail::Forget(size_t count) {
  LS_CHECK(count <= accepted_);
  if (count == 0) return;
  before_ = entries_[count - 1].head;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(count));
  accepted_ -= count;
}

void Tail::Settle(const SeqNum& settled) {
  size_t count = 0;
  while (count < accepted_ && ComparePosition(entries_[count].head.seq, settled) <= 0) ++count;
  Forget(count);
}

Result<void> Tail::RollBack(Database& database, size_t from, TableSet& touched) const {
  for (size_t index = entries_.size(); index > from; --index) {
    const TailEntry& entry = entries_[index - 1];
    if (!entry.undoable) {
      return Error{ErrorCode::kNotUndoable,
                   ToString(entry.head.seq) + " wrote what a changeset cannot bring back"};
    }
    if (entry.changeset.empty()) continue;
    LS_TRY(ApplyInverse(database, entry.changeset));
    touched.AddAll(LS_TRY(TablesOf(database, entry.changeset)));
  }
  return Ok();
}

}  // namespace livestore
