#include "actors/live_feed.hpp"

#include "actors/messages.hpp"

namespace tally::actors {
namespace {

constexpr std::int64_t feed_bytes = 1'024;  // of an empty one
constexpr std::chrono::seconds text_every{1};

}  // namespace

live_feed::live_feed(live_window::limits limits, std::function<event_time()> clock, gauge& bytes,
                     std::uint64_t bytes_max, std::uint64_t offset)
    : clock_{std::move(clock)},
      all_bytes_{bytes},
      all_bytes_max_{static_cast<std::int64_t>(bytes_max)},
      since_{clock_()},
      next_expiry_ms_{std::numeric_limits<std::int64_t>::max()},
      window_{limits},
      offset_{offset} {
  all_bytes_ += feed_bytes;
}

live_feed::~live_feed() {
  all_bytes_ -= feed_bytes + counted_bytes_;
}

void live_feed::count_bytes() {
  const auto now = static_cast<std::int64_t>(window_.bytes());
  all_bytes_ += now - counted_bytes_;
  counted_bytes_ = now;
}

void live_feed::add(const event& e, bool is_page_view, std::uint64_t offset) {
  const auto now = clock_();
  const std::lock_guard lock{mutex_};
  if (offset <= offset_) return;
  offset_ = offset;
  newest_ = now;
  if (!window_.add(e, is_page_view, now)) return;
  count_bytes();
  while (all_bytes_ > all_bytes_max_ && window_.size() > 1) {
    window_.drop_oldest();
    count_bytes();
  }
  next_expiry_ms_ = to_ms(window_.next_expiry());
  ++version_;
}

void live_feed::follow(std::shared_ptr<slot_meter> meter) {
  const std::lock_guard lock{mutex_};
  meter_ = std::move(meter);
}

void live_feed::expire(event_time now) {
  if (to_ms(now) < next_expiry_ms_) return;
  if (window_.expire(now)) ++version_;
  count_bytes();
  next_expiry_ms_ = to_ms(window_.next_expiry());
}

std::uint64_t live_feed::version() {
  const auto now = clock_();
  if (to_ms(now) >= next_expiry_ms_.load(std::memory_order_relaxed)) {
    const std::lock_guard lock{mutex_};
    expire(now);
  }
  return version_.load(std::memory_order_acquire);
}

live_snapshot live_feed::look() {
  const auto now = clock_();
  const std::lock_guard lock{mutex_};
  expire(now);
  live_snapshot s;
  s.numbers = window_.numbers();
  s.version = version_;
  s.offset = offset_;
  const bool on_its_way = meter_ && meter_->queued.load(std::memory_order_relaxed) != 0;
  s.as_of = on_its_way ? std::max(newest_, since_) : now;
  s.since = std::max(since_, window_.dropped_until() + std::chrono::milliseconds{1});
  s.complete = s.since <= now - live_span;
  return s;
}

live_text live_feed::text(const std::function<std::string(const live_snapshot&)>& make) {
  const auto newest = version();
  const auto now = clock_();
  const std::lock_guard lock{text_mutex_};
  const auto age = now - text_made_;
  // A clock that was set back must not silence it.
  if (text_.text && (text_.version == newest || (age.count() >= 0 && age < text_every)))
    return text_;
  const auto numbers = look();
  text_ = {numbers.version, numbers.offset, std::make_shared<const std::string>(make(numbers))};
  text_made_ = now;
  return text_;
}

}  // namespace tally::actors
