#include "cluster/copy_fetcher.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <memory>
#include <utility>

#include "cluster/copy_source.hpp"
#include "domain/bytes.hpp"
#include "persistence/crc32c.hpp"
#include "persistence/shard_copy.hpp"

namespace tally::cluster {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{50};

std::string request(copy_wish wish) {
  std::string body;
  byte_writer to{body};
  to.u8(copy_version);
  to.u8(static_cast<std::uint8_t>(wish));
  return body;
}

failure torn() {
  return {errc::corrupt_record, "copy: torn answer"};
}

}  // namespace

copy_fetcher::copy_fetcher(options o, asker ask, receiver done)
    : options_{std::move(o)}, ask_{std::move(ask)}, done_{std::move(done)} {
  std::error_code ignored;
  std::filesystem::remove_all(options_.folder, ignored);
  thread_ = std::thread{[this] { run(); }};
}

copy_fetcher::~copy_fetcher() {
  {
    const std::scoped_lock hold{mutex_};
    is_ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void copy_fetcher::want(std::uint16_t shard, node_id from) {
  const std::scoped_lock hold{mutex_};
  const auto found = std::ranges::find(wishes_, shard, &wish::shard);
  if (found != wishes_.end()) {
    found->from = from;
    return;
  }
  wishes_.push_back({shard, from, {}});
  wake_.notify_all();
}

std::string copy_fetcher::path_of(std::uint16_t shard) const {
  return options_.folder + "/" + std::to_string(shard);
}

void copy_fetcher::run() {
  std::unique_lock hold{mutex_};
  for (;;) {
    wake_.wait(hold, [this] { return is_ending_ || !wishes_.empty(); });
    if (is_ending_) return;
    auto& first = wishes_.front();
    if (first.until == steady_clock::time_point{})
      first.until = steady_clock::now() + options_.patience;
    const auto now = first;
    hold.unlock();
    auto fetched = fetch(now);
    if (fetched) done_(now.shard, std::move(*fetched));
    hold.lock();
    if (is_ending_) return;
    // The others get their turn before it is tried again; the replica asks anew for what is late.
    auto again = wishes_.front();
    wishes_.pop_front();
    if (fetched) continue;
    spdlog::debug("copy_not_fetched shard={} from={} reason={}", now.shard, now.from.value,
                  fetched.error().text());
    if (steady_clock::now() >= again.until) {
      spdlog::warn("copy_not_fetched shard={} from={} reason={}", now.shard, now.from.value,
                   fetched.error().text());
      continue;
    }
    wishes_.push_back(again);
    wake_.wait_for(hold, options_.retry_pause, [this] { return is_ending_; });
  }
}

/// Blocks until the answer is there, in time.
result<std::string> copy_fetcher::ask(node_id to, std::string body) {
  auto promise = std::make_shared<std::promise<result<std::string>>>();
  auto answer = promise->get_future();
  ask_(to, copy_request, std::move(body), options_.answer_timeout,
       [promise](result<std::string> r) { promise->set_value(std::move(r)); });
  const auto until = steady_clock::now() + 2 * options_.answer_timeout;
  while (answer.wait_for(look_every) != std::future_status::ready) {
    const std::scoped_lock hold{mutex_};
    if (is_ending_ || steady_clock::now() >= until)
      return failure{errc::unavailable, "no answer in time"};
  }
  return answer.get();
}

result<fetched_copy> copy_fetcher::fetch(const wish& w) {
  const auto began = steady_clock::now();
  auto body = request(copy_wish::begin);
  byte_writer{body}.u16be(w.shard);
  auto answer = ask(w.from, std::move(body));
  if (!answer) return answer.error();
  byte_reader in{*answer};
  fetched_copy made;
  const auto session = in.u64be();
  made.start.offset = in.u64be();
  made.start.epoch = in.u32be();
  made.start.chain = in.u64be();
  made.start.stamped_at = time_from_ms(in.i64be());
  if (!in.ok() || !in.at_end()) return torn();
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) return failure{errc::io_error, options_.folder + ": " + error.message()};
  made.path = path_of(w.shard);
  auto file = persistence::copy_file::create(made.path);
  if (!file) return file.error();
  std::uint64_t bytes = 0;
  for (persistence::copy_cursor at; at.part != persistence::copy_part::end;) {
    const auto space = std::filesystem::space(options_.folder, error);
    if (!error && space.available < options_.free_bytes_min)
      return failure{errc::disk_full, options_.folder + ": no space for a copy"};
    body = request(copy_wish::read);
    byte_writer to{body};
    to.u64be(session);
    to.u8(static_cast<std::uint8_t>(at.part));
    to.text(at.after);
    answer = ask(w.from, std::move(body));
    if (!answer) return answer.error();
    byte_reader page{*answer};
    at.part = static_cast<persistence::copy_part>(page.u8());
    at.after = page.text();
    const auto crc = page.u32be();
    const auto content = page.text();
    if (!page.ok() || !page.at_end() || persistence::crc32c(content) != crc) return torn();
    bytes += content.size();
    if (content.empty()) continue;
    if (auto added = file->add(content); !added) return added.error();
  }
  spdlog::info("copy_fetched shard={} from={} upto={} bytes={} ms={}", w.shard, w.from.value,
               made.start.offset, bytes,
               std::chrono::floor<std::chrono::milliseconds>(steady_clock::now() - began).count());
  return made;
}

}  // namespace tally::cluster
