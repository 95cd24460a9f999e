// SimBackend: the sync backend of the simulation, and the way to it.
//
// The backend is one log in total order. It takes a batch if that continues its head, all or
// nothing, and refuses an event whose arguments say so. A reset empties it and gives it another
// name.
//
// A BackendLink is what a client's host holds of it: at most one pull and one push, with whatever
// is on its way. Requests and answers take their time, and the world decides what becomes of each.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/event/event.h"

namespace livestore::sim {

class SimBackend {
 public:
  enum class Verdict { kTaken, kAhead, kRefused, kWrongBackend };
  struct Answer {
    Verdict verdict = Verdict::kTaken;
    uint32_t refused_index = 0;
  };

  // `rewrite_args`: arguments come back in another order of keys, as from a database of JSON.
  // `take_prefix`: of a batch with a refused event, those before it are taken.
  SimBackend(bool rewrite_args, bool take_prefix)
      : rewrite_args_(rewrite_args), take_prefix_(take_prefix) {}

  // `backend_id`: whom the sender believes to speak to; empty if it does not know.
  Answer Push(const std::string& backend_id, std::span<const Event> events);
  void Reset();

  [[nodiscard]] uint64_t head() const { return events_.size(); }
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] uint32_t resets() const { return resets_; }
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] bool Holds(std::string_view uid) const { return uids_.contains(uid); }
  // What is said of the event with this number, as JSON text.
  [[nodiscard]] std::string Metadata(uint64_t global) const;
  // Uids that were refused at least once.
  [[nodiscard]] const std::set<std::string, std::less<>>& refused() const { return refused_; }
  // What a client must never send: a batch that is not in order, a client-only event, or an event
  // that the log has already. Empty if none did.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  // A page of up to `count` events after `cursor`, encoded.
  [[nodiscard]] Bytes Page(uint64_t cursor, size_t count) const;

 private:
  bool rewrite_args_;
  bool take_prefix_;
  std::string id_ = "b0";
  uint32_t resets_ = 0;
  std::vector<Event> events_;
  std::set<std::string, std::less<>> uids_;
  std::set<std::string, std::less<>> refused_;
  std::string complaint_;
};

struct BackendLink {
  struct OnItsWay {
    enum class Kind { kPage, kEnded, kFailed, kReplaced };
    Kind kind = Kind::kPage;
    uint32_t pull = 0;
    Bytes page;
    bool caught_up = false;
    std::string backend_id;
  };
  struct Pull {
    uint32_t number = 0;
    uint64_t cursor = 0;
    bool live = false;
    bool said_something = false;  // The first page is sent even if it is empty.
  };
  struct Push {
    uint32_t number = 0;
    uint32_t boot = 0;  // Of the leader that sent it.
    std::vector<Event> events;
    std::string backend_id;
    bool answered = false;  // The rest is what the answer says.
    SimBackend::Answer answer{};
    bool failed = false;
    bool offline = false;
  };

  bool online = true;
  bool told_online = true;  // What the leader was told of it.
  std::optional<Pull> pull{};
  std::deque<OnItsWay> to_leader{};
  std::optional<Push> push{};
  std::vector<Push> ghosts{};  // Sent by who gave up waiting; they may arrive yet.

  // The leader is gone. What it pushed may still arrive.
  void Cut() {
    if (push && !push->answered) ghosts.push_back(std::move(*push));
    push.reset();
    pull.reset();
    to_leader.clear();
  }
};

}  // namespace livestore::sim
