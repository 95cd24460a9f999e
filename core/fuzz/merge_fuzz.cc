// Can any history break a merge? Pending events and upstream's are drawn from the bytes, so that
// they agree, differ and interleave in every way; whatever comes out must keep what Merge promises.

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/fuzz/corpus.h"
#include "core/sync/merge.h"

namespace livestore {
namespace {

// Gives bytes until there are none, then zeros.
class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  uint8_t Next() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// Up to 15 events after `head`. Few names, so that two lists often have the same event.
std::vector<Event> Draw(Choices& choices, SeqNum head, bool synced_only) {
  std::vector<Event> events(choices.Next() % 16);
  for (Event& event : events) {
    const uint8_t choice = choices.Next();
    const SeqNumPair place = NextSeqNum(head, !synced_only && (choice & 1) != 0);
    event.seq = place.seq;
    event.parent = place.parent;
    event.seq.generation = (choice >> 1) % 3;
    event.name = std::string(1, static_cast<char>('a' + (choice >> 3) % 4));
    event.args_json = "{}";
    event.client_id = "c";
    event.session_id = "s";
    head = event.seq;
  }
  return events;
}

void CheckOutcome(const SyncState& state, const std::vector<Event>& upstream,
                  const MergeOutcome& outcome, size_t not_rebased) {
  LS_CHECK(outcome.confirmed + outcome.roll_back <= state.pending.size());
  LS_CHECK(Continues(outcome.upstream_head, outcome.rebased));
  // What is rebased is the end of pending, in order and unchanged but for numbers.
  LS_CHECK(outcome.rebased.size() + not_rebased <= state.pending.size());
  for (size_t i = 0; i < outcome.rebased.size(); ++i) {
    const Event& was = state.pending[state.pending.size() - outcome.rebased.size() + i];
    LS_CHECK(outcome.rebased[i].name == was.name);
    LS_CHECK(outcome.rebased[i].client_only() == was.client_only());
    LS_CHECK(outcome.rebased[i].seq.generation > was.seq.generation);
  }
  // Upstream's news are the end of what it sent.
  LS_CHECK(outcome.materialize.size() <= upstream.size());
  LS_CHECK(std::equal(outcome.materialize.rbegin(), outcome.materialize.rend(), upstream.rbegin()));
}

Corpus MakeCorpus() {
  // A side (even: the backend's), where upstream stands, pending, upstream, how many are known. An
  // event: bit 0 client-only, then its generation, then its name.
  constexpr uint8_t kA = 0;
  constexpr uint8_t kB = 8;
  constexpr uint8_t kMine = 1;
  return {{"nothing", {0, 0, 0, 0, 0}},
          {"confirmed", {0, 1, 2, kA, kB, 2, kA, kB, 0}},
          {"rebased", {0, 1, 2, kA, kB, 1, kB, 0}},
          {"confirmed_in_part", {0, 3, 3, kA, kA, kA, 2, kA, kB, 0}},
          {"client_only_between", {0, 1, 4, kA, kMine, kA, kMine, 2, kA, kA, 1}},
          {"from_the_leader", {1, 0, 2, 3, kMine, kA, kB, 3, kMine, kA, kB, 2}},
          {"leader_rebased", {1, 2, 0, 2, kA, kMine, 4, kB, kMine, kA, kB, 1}},
          {"generations", {0, 0, 3, 2, 4, 2, 1, 4, 2}}};
}

}  // namespace
}  // namespace livestore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace livestore;
  Choices choices(data, size);
  const bool synced_only = choices.Next() % 2 == 0;
  SyncState state;
  state.upstream_head.global = choices.Next() % 4;
  if (!synced_only) state.upstream_head.client = choices.Next() % 3;
  state.pending = Draw(choices, state.upstream_head, false);
  std::vector<Event> upstream = Draw(choices, state.upstream_head, synced_only);

  const uint8_t known = choices.Next();
  UpstreamRule rule{.synced_only = synced_only};
  if (!synced_only) rule.known = known % (state.pending.size() + 1);
  const Result<MergeOutcome> merged = Merge(state, upstream, rule);
  LS_CHECK(merged.ok());
  CheckOutcome(state, upstream, *merged, merged->confirmed);

  // A gap is said, and never followed.
  if (upstream.size() > 1) {
    upstream.erase(upstream.begin());
    const Result<MergeOutcome> gap = Merge(state, upstream, rule);
    LS_CHECK(gap.ok() == Continues(state.upstream_head, upstream));
  }
  if (!state.pending.empty()) {
    const size_t index = known % state.pending.size();
    const MergeOutcome without = MergeWithout(state, index);
    LS_CHECK(without.roll_back == state.pending.size() - index);
    LS_CHECK(without.rebased.size() + 1 == without.roll_back);
  }
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return livestore::OfferCorpus(*argc, *argv, &livestore::MakeCorpus);
}
