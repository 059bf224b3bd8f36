#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/messages.hpp"

namespace tally::actors {

/// A merchant that is awake, or was written to a moment ago.
struct merchant_slot {
  std::string merchant;
  std::uint64_t hash = 0;
  aggregator_actor aggregator;
  std::shared_ptr<slot_meter> meter = std::make_shared<slot_meter>();
  std::uint64_t sent = 0;                     // messages to the aggregator
  persistence::round_number dirty_since = 0;  // 0: everything sent is in a snapshot
  persistence::round_number last_sent_round = 0;
  std::uint32_t gathered = 0;  // events that are in a round and not handed out: they point here
  bool sleeping = false;
  bool saving = false;  // it was asked to save and has not said that it did
  std::chrono::steady_clock::time_point used{};
  // token bucket for write_events_per_s
  double tokens = 0;
  std::chrono::steady_clock::time_point refilled{};

 private:
  friend class slot_table;
  std::chrono::steady_clock::time_point moved_{};  // to the end of the order of use
  std::list<merchant_slot>::iterator self_{};
};

/// A lane's merchants, by name and in the order of use. References stay valid until erase(). Not
/// thread-safe.
class slot_table {
 public:
  /// Null where it is not there. `hash` is merchant_hash of the name.
  [[nodiscard]] merchant_slot* find(std::string_view merchant, std::uint64_t hash);
  /// It must not be there.
  merchant_slot& insert(std::string_view merchant, std::uint64_t hash);
  void erase(merchant_slot& slot);
  /// Notes a use. The order is exact to a second: moving a slot for every event would cost more
  /// than finding it.
  void touch(merchant_slot& slot, std::chrono::steady_clock::time_point now);

  /// Least recently used first.
  [[nodiscard]] std::list<merchant_slot>& by_use() { return slots_; }
  [[nodiscard]] const std::list<merchant_slot>& by_use() const { return slots_; }

 private:
  struct place {
    std::uint64_t hash = 0;
    merchant_slot* slot = nullptr;
  };
  [[nodiscard]] std::size_t home(std::uint64_t hash) const;
  void put(place p);

  std::list<merchant_slot> slots_;
  std::vector<place> places_;  // open addressing: one cache line finds a slot
};

}  // namespace tally::actors
