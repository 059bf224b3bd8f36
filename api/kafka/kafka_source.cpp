#include "api/kafka_source.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "api/kafka/consumer.hpp"
#include "api/kafka_batch.hpp"
#include "api/query_json.hpp"

namespace tally::api {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds ask_limit{5'000};  // of one question to a broker or the engine
constexpr milliseconds fetch_wait{100};
constexpr milliseconds pause_min{100}, pause_max{5'000};  // before a batch is tried again

std::string text_of(const kafka_place& place) {
  return place.first + '/' + std::to_string(place.second);
}

/// Waits for a callback of the engine; unavailable where it does not come in time.
template <class T, class Ask>
result<T> wait_for(Ask ask) {
  auto told = std::make_shared<std::promise<result<T>>>();
  auto future = told->get_future();
  ask([told](result<T> r) { told->set_value(std::move(r)); });
  if (future.wait_for(ask_limit) == std::future_status::ready) return future.get();
  return failure{errc::unavailable, "no answer in time"};
}

}  // namespace

struct kafka_source::impl {
  impl(actors::engine& e, const kafka_options& o, kafka_metrics& m)
      : engine{e}, options{o}, metrics{m} {}

  void run();
  void look();
  void look_at(const kafka_topic& t);
  void begin(const kafka_topic& t, std::int32_t partition,
             const std::vector<persistence::source_position>& known);
  void stop_reading(const std::string& topic);
  void gather();
  bool store(const kafka_batch& batch);
  bool try_once(const kafka_batch& batch, milliseconds& pause);
  void keep_positions();
  void lost(const kafka_place& place, bool is_gone, const std::string& why);
  void measure();
  void wait(milliseconds length);
  [[nodiscard]] bool must_end();
  [[nodiscard]] const std::string& merchant_of(std::string_view topic) const;

  actors::engine& engine;
  kafka_options options;
  kafka_metrics& metrics;
  std::unique_ptr<kafka_consumer> consumer;
  std::map<kafka_place, std::int64_t> next;  // of what is read: all before is durable
  std::set<kafka_place> moved;               // since the positions were written
  std::map<std::string, std::string> told;   // topic to what was last logged of it
  clock::time_point looked{}, kept = clock::now();
  std::mutex mutex;
  std::condition_variable changed;
  bool ends = false;
  std::thread thread;
};

bool kafka_source::impl::must_end() {
  const std::lock_guard lock{mutex};
  return ends;
}

void kafka_source::impl::wait(milliseconds length) {
  std::unique_lock lock{mutex};
  changed.wait_for(lock, length, [&] { return ends; });
}

const std::string& kafka_source::impl::merchant_of(std::string_view topic) const {
  return std::ranges::find(options.topics, topic, &kafka_topic::topic)->merchant;
}

void kafka_source::impl::run() {
  while (!must_end()) {
    if (clock::now() - looked >= options.look_interval) {
      look();
      looked = clock::now();
    }
    if (next.empty())
      wait(std::min(fetch_wait, options.look_interval));
    else
      gather();
    if (clock::now() - kept >= options.position_interval) keep_positions();
    measure();
  }
  keep_positions();
}

/// Reads the topics of merchants that there are and that this node leads, and no others.
void kafka_source::impl::look() {
  for (const auto& t : options.topics) {
    if (must_end()) return;
    look_at(t);
  }
}

void kafka_source::impl::look_at(const kafka_topic& t) {
  const auto say = [&](const std::string& why) {
    if (told[t.topic] == why) return;
    told[t.topic] = why;
    spdlog::warn("kafka_topic_waits topic={} reason=\"{}\"", t.topic, why);
  };
  const auto there = wait_for<actors::engine::found_merchants>([&](auto then) {
    engine.find_merchants({{t.merchant, false}}, std::move(then));
  });
  if (!there) return say(there.error().detail);
  if (!there->known.front()) {
    stop_reading(t.topic);
    return say("there is no merchant '" + t.merchant + "'");
  }
  if (!engine.leads(t.merchant)) return stop_reading(t.topic);
  const auto partitions = consumer->partitions_of(t.topic, ask_limit);
  if (!partitions) return say(partitions.error().detail);
  std::vector<std::int32_t> fresh;
  for (const auto p : *partitions)
    if (!consumer->reads({t.topic, p})) fresh.push_back(p);
  if (fresh.empty()) return;
  const auto known = wait_for<std::vector<persistence::source_position>>(
      [&](auto then) { engine.find_positions(t.merchant, std::move(then)); });
  if (!known) return say(known.error().detail);
  for (const auto p : fresh) begin(t, p, *known);
}

/// Where the journal says, if there are such messages; else where a partition that was never read
/// begins.
void kafka_source::impl::begin(const kafka_topic& t, std::int32_t partition,
                               const std::vector<persistence::source_position>& known) {
  const kafka_place place{t.topic, partition};
  const auto kept_at = std::ranges::find_if(known, [&](const auto& k) {
    return k.source == t.topic && k.partition == static_cast<std::uint32_t>(partition);
  });
  const auto there = consumer->stretch_of(place, ask_limit);
  if (!there) {
    spdlog::warn("kafka_partition_waits partition={} reason=\"{}\"", text_of(place),
                 there.error().detail);
    return;
  }
  auto from = options.from_end ? there->end : there->first;
  if (kept_at != known.end()) {
    from = kept_at->next;
    if (from < there->first || from > there->end) {
      // The broker dropped messages before they were read, or the topic was made anew.
      metrics.resets += 1;
      spdlog::error("kafka_position_gone partition={} position={} first={} end={}", text_of(place),
                    from, there->first, there->end);
      from = there->first;
    }
  }
  if (const auto begun = consumer->begin(place, from); !begun) {
    spdlog::warn("kafka_partition_waits partition={} reason=\"{}\"", text_of(place),
                 begun.error().detail);
    return;
  }
  next[place] = from;
  // What came between now and the first message would be left out after a restart.
  if (kept_at == known.end()) moved.insert(place);
  told.erase(t.topic);
  spdlog::info("kafka_partition_read partition={} merchant={} offset={}", text_of(place),
               t.merchant, from);
}

void kafka_source::impl::stop_reading(const std::string& topic) {
  for (const auto& place : consumer->places()) {
    if (place.first != topic) continue;
    consumer->stop(place);
    next.erase(place);
    moved.erase(place);
    spdlog::info("kafka_partition_left partition={}", text_of(place));
  }
}

/// One batch: fetched, made durable, and only then behind us.
void kafka_source::impl::gather() {
  kafka_batch batch{options.limits, wall_clock()};
  const kafka_consumer::receiver to{
      [&](const kafka_message& m) {
        const auto at = next.find({std::string{m.topic}, m.partition});
        if (at == next.end() || m.offset < at->second) return;
        batch.add(m, merchant_of(m.topic));
      },
      [&](const kafka_place& place, bool is_gone, const std::string& why) {
        lost(place, is_gone, why);
      }};
  const auto until = clock::now() + fetch_wait;
  do {
    const auto left = std::chrono::duration_cast<milliseconds>(until - clock::now());
    // A few at a time, so that large messages do not go far over the limit of bytes.
    const auto most = std::min<std::size_t>(64, options.batch_messages_max - batch.messages());
    const auto before = batch.messages();
    consumer->poll(most, batch.messages() == 0 ? std::max(left, milliseconds{0}) : milliseconds{0},
                   to);
    if (batch.messages() == before) break;
  } while (batch.messages() < options.batch_messages_max &&
           batch.bytes() < options.batch_bytes_max && clock::now() < until);
  if (batch.messages() == 0 || !store(batch)) return;
  metrics.messages += batch.messages();
  metrics.bytes += batch.bytes();
  metrics.refused += batch.refused();
  for (const auto& [place, offset] : batch.next()) {
    const auto at = next.find(place);
    if (at == next.end()) continue;
    at->second = offset;
    moved.insert(place);
  }
}

/// Until all of it is durable; false where the source ends before.
bool kafka_source::impl::store(const kafka_batch& batch) {
  auto pause = pause_min;
  while (!try_once(batch, pause)) {
    metrics.retries += 1;
    wait(pause);
    if (must_end()) return false;
    pause = std::min(pause_max, 2 * pause);
  }
  return true;
}

bool kafka_source::impl::try_once(const kafka_batch& batch, milliseconds& pause) {
  const auto events = batch.make_submission();
  if (events->events.empty()) return true;
  const auto answered = std::make_shared<std::promise<void>>();
  auto future = answered->get_future();
  events->on_done = [answered] { answered->set_value(); };
  engine.submit(events);
  future.wait();  // the engine answers every submission
  bool all = true;
  for (const auto& e : events->events) {
    const auto what = e.now();
    if (what == actors::outcome::over_quota) {
      pause = std::clamp(milliseconds{e.retry_after_ms}, pause, pause_max);
      all = false;
    } else if (what == actors::outcome::unavailable) {
      all = false;
    }
  }
  return all;
}

void kafka_source::impl::keep_positions() {
  kept = clock::now();
  if (moved.empty()) return;
  std::map<std::string, std::vector<persistence::source_position>> by_merchant;
  for (const auto& place : moved)
    by_merchant[merchant_of(place.first)].push_back(
        {place.first, static_cast<std::uint32_t>(place.second), next.at(place)});
  for (const auto& of_merchant : by_merchant) {
    const auto& merchant = of_merchant.first;
    const auto& positions = of_merchant.second;
    const auto written = wait_for<done>(
        [&](auto then) { engine.keep_positions(merchant, positions, std::move(then)); });
    if (!written) {
      // Whoever goes on from an older position reads some messages again, which count once.
      spdlog::warn("kafka_positions_not_written merchant={} reason=\"{}\"", merchant,
                   written.error().detail);
      continue;
    }
    for (const auto& p : positions) moved.erase({p.source, static_cast<std::int32_t>(p.partition)});
  }
}

void kafka_source::impl::lost(const kafka_place& place, bool is_gone, const std::string& why) {
  metrics.errors += 1;
  spdlog::warn("kafka_partition_failed partition={} gone={} reason=\"{}\"", text_of(place), is_gone,
               why);
  if (!is_gone) return;  // librdkafka goes on by itself
  // Begun again, from where there is something, at the next look.
  consumer->stop(place);
  next.erase(place);
  moved.erase(place);
}

void kafka_source::impl::measure() {
  std::int64_t lag = 0;
  for (const auto& [place, offset] : next)
    if (const auto end = consumer->end_of(place)) lag += std::max<std::int64_t>(0, *end - offset);
  metrics.lag = lag;
  metrics.partitions = static_cast<std::int64_t>(next.size());
}

kafka_source::kafka_source(std::unique_ptr<impl> i) : impl_{std::move(i)} {}

result<std::unique_ptr<kafka_source>> kafka_source::start(actors::engine& engine,
                                                          const kafka_options& options,
                                                          kafka_metrics& metrics) {
  auto made = std::make_unique<impl>(engine, options, metrics);
  auto consumer = kafka_consumer::make(options, metrics);
  if (!consumer) return consumer.error();
  made->consumer = std::move(*consumer);
  made->thread = std::thread{[i = made.get()] { i->run(); }};
  return std::unique_ptr<kafka_source>{new kafka_source{std::move(made)}};
}

kafka_source::~kafka_source() {
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->ends = true;
    impl_->changed.notify_all();
  }
  impl_->thread.join();
}

}  // namespace tally::api
