#include "core/sim/sim_backend.h"

#include <algorithm>
#include <utility>

#include "core/event/event_codec.h"
#include "core/sim/sim_app.h"

namespace livestore::sim {
namespace {

// {"a":"1","b":"2"} becomes { "b":"2", "a":"1"}: the same value in other bytes.
std::string RewriteArgs(const std::string& args) {
  const size_t comma = args.find(',');
  if (comma == std::string::npos) return args;
  return "{ " + args.substr(comma + 1, args.size() - comma - 2) + ", " + args.substr(1, comma - 1) +
         "}";
}

}  // namespace

SimBackend::Answer SimBackend::Push(const std::string& backend_id, std::span<const Event> events) {
  if (!backend_id.empty() && backend_id != id_) return {Verdict::kWrongBackend, 0};
  if (events.empty()) {
    complaint_ = "an empty push";
    return {Verdict::kAhead, 0};
  }
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    if (event.client_only()) complaint_ = "a client-only event was pushed";
    if (event.seq.global != events.front().seq.global + i ||
        event.parent.global + 1 != event.seq.global || event.parent.client != 0) {
      complaint_ = "a batch is not in order at " + ToString(event.seq);
    }
  }
  if (events.front().parent.global != head()) return {Verdict::kAhead, 0};
  size_t taken = events.size();
  for (size_t i = 0; i < events.size(); ++i) {
    if (Arg(events[i].args_json, "refuse").empty()) continue;
    refused_.insert(std::string(UidOf(events[i])));
    taken = i;
    break;
  }
  const bool refused = taken < events.size();
  const auto refused_index = static_cast<uint32_t>(taken);
  if (refused && !take_prefix_) taken = 0;
  for (const Event& event : events.first(taken)) {
    if (!uids_.insert(std::string(UidOf(event))).second) {
      complaint_ = std::string(UidOf(event)) + " is in the backend's log twice";
    }
    Event stored = event;
    stored.seq = {.global = head() + 1, .client = 0, .generation = 0};
    stored.parent = {.global = head(), .client = 0, .generation = 0};
    if (rewrite_args_) stored.args_json = RewriteArgs(stored.args_json);
    events_.push_back(std::move(stored));
  }
  if (refused) return {Verdict::kRefused, refused_index};
  return {Verdict::kTaken, 0};
}

void SimBackend::Reset() {
  resets_ += 1;
  id_ = "b" + std::to_string(resets_);
  events_.clear();
  uids_.clear();
}

std::string SimBackend::Metadata(uint64_t global) const {
  return R"({"of":")" + id_ + R"(","at":)" + std::to_string(global) + "}";
}

Bytes SimBackend::Page(uint64_t cursor, size_t count) const {
  PulledPage page{.backend_id = id_, .events = {}, .metadata = {}};
  for (uint64_t at = cursor; at < head() && page.events.size() < count; ++at) {
    page.events.push_back(events_[static_cast<size_t>(at)]);
    page.metadata.push_back(Metadata(at + 1));
  }
  return EncodePage(page);
}

}  // namespace livestore::sim
