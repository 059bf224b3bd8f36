#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actors/metrics.hpp"
#include "domain/live_window.hpp"
#include "domain/result.hpp"

namespace tally::actors {

struct slot_meter;

/// What GET /v1/live shows of one merchant.
struct live_snapshot {
  live_numbers numbers;
  std::uint64_t version = 0;  // of the numbers
  std::uint64_t offset = 0;   // of the last event that is in them, in the merchant's shard
  event_time as_of{};         // everything committed before is in the numbers
  event_time since{};         // every event from here on is in them
  bool complete = false;      // since is at least the span ago
};

/// The numbers as text, shared by all who are told.
struct live_text {
  std::uint64_t version = 0, offset = 0;
  std::shared_ptr<const std::string> text;
};

/// The live numbers of one merchant while somebody looks: its lane owns it and lends it out, its
/// aggregator writes, any thread reads.
class live_feed {
 public:
  /// `bytes` counts the memory of all windows of the node; both outlive the feed. The numbers begin
  /// now: `offset` is that of the last event handed out before.
  live_feed(live_window::limits limits, std::function<event_time()> clock, gauge& bytes,
            std::uint64_t bytes_max, std::uint64_t offset);
  ~live_feed();
  live_feed(const live_feed&) = delete;
  live_feed& operator=(const live_feed&) = delete;

  /// From the aggregator: a counted event. One at an offset seen before changes nothing.
  void add(const event& e, bool is_page_view, std::uint64_t offset);
  /// From the aggregator: whose queue says whether anything is on its way.
  void follow(std::shared_ptr<slot_meter> meter);

  /// Changes whenever the numbers do, by events or by time. Cheap while they do not.
  [[nodiscard]] std::uint64_t version();
  [[nodiscard]] live_snapshot look();
  /// What `make` makes of the numbers, at most once a second: until then the one before.
  [[nodiscard]] live_text text(const std::function<std::string(const live_snapshot&)>& make);

  // --- the lane's own
  std::atomic<std::uint32_t> subscriptions{0};
  std::chrono::steady_clock::time_point asked;

 private:
  void count_bytes();
  void expire(event_time now);

  const std::function<event_time()> clock_;
  gauge& all_bytes_;
  const std::int64_t all_bytes_max_;
  const event_time since_;
  std::atomic<std::uint64_t> version_{1};
  std::atomic<std::int64_t> next_expiry_ms_;
  std::mutex mutex_;
  live_window window_;
  std::uint64_t offset_;
  event_time newest_{};  // when the last event was added
  std::shared_ptr<slot_meter> meter_;
  std::int64_t counted_bytes_ = 0;
  std::mutex text_mutex_;  // before mutex_
  live_text text_;
  event_time text_made_{};
};
using live_feed_ptr = std::shared_ptr<live_feed>;

/// Somebody who looks at a merchant's live numbers, once or for as long as it keeps the feed.
struct live_request {
  std::string merchant;
  bool subscribe = false;  // the feed given counts as a subscription until it is let go
  std::function<void(result<live_feed_ptr>)> then;
};
using live_request_ptr = std::shared_ptr<live_request>;

}  // namespace tally::actors
