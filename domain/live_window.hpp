#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "domain/event.hpp"
#include "domain/time.hpp"

namespace tally {

/// How long an event is part of the live numbers.
constexpr std::chrono::minutes live_span{5};
constexpr std::size_t live_top_max = 10;  // of pages, countries, sources
constexpr std::size_t live_last_events_max = 20;

/// Who is there now, from events of the last five minutes.
struct live_numbers {
  struct line {
    std::string label;  // empty: not known
    std::uint64_t visitors = 0, pageviews = 0;
    bool operator==(const line&) const = default;
  };
  /// One event without anything of the person: of the URL the path only.
  struct seen {
    std::string name, page, country;
    event_time at;
    bool operator==(const seen&) const = default;
  };
  std::uint64_t visitors = 0, pageviews = 0;
  std::vector<line> pages, countries, sources;  // most visitors first, then pageviews, then label
  std::vector<seen> last;                       // newest first
};

/// A merchant's events of the last minutes, within limits: the oldest make room. Pure; knows what
/// was added, nothing else.
class live_window {
 public:
  struct limits {
    std::size_t events_max = 10'000;
    std::size_t bytes_max = 4 << 20;
  };
  explicit live_window(limits l) : limits_{l} {}

  /// One counted event, which came when it was `now`; `is_page_view` as the ruleset has it. An
  /// event of the future counts as of now; false for one older than the span.
  bool add(const event& e, bool is_page_view, event_time now);
  /// Forgets what is older than the span. True where that changed anything.
  bool expire(event_time now);
  /// Forgets the oldest event. There must be one.
  void drop_oldest();

  [[nodiscard]] live_numbers numbers() const;
  /// When expire() will change something; the end of time where nothing is kept.
  [[nodiscard]] event_time next_expiry() const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Nothing at or before this time is in the window, though it may have happened: it was dropped
  /// for room.
  [[nodiscard]] event_time dropped_until() const { return dropped_until_; }

 private:
  struct entry {
    std::string name, page, country, source;
    std::uint64_t visitor = 0;  // 0: none
    bool is_page_view = false;
  };
  using entries = std::multimap<event_time, entry>;
  static std::size_t bytes_of(const entry& e);
  void erase(entries::iterator which);

  limits limits_;
  entries entries_;
  std::size_t bytes_ = 0;
  event_time dropped_until_ = time_from_ms(std::numeric_limits<std::int64_t>::min());
};

}  // namespace tally
