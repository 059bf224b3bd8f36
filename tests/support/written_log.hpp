#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "domain/shard.hpp"
#include "persistence/journal.hpp"
#include "tests/support/random_events.hpp"

namespace tally::testing {

/// A journal in a folder with the events of one merchant, so many in a round. Their offsets are
/// counted anew: a merchant alone in its shard.
class written_log {
 public:
  written_log(const std::string& path, std::string merchant)
      : shard_{shard_of(merchant_hash(merchant))} {
    persistence::journal_options options;
    options.path = path;
    auto opened = persistence::journal::open(options);
    EXPECT_TRUE(opened) << opened.error().text();
    log_ = std::move(*opened);
  }
  ~written_log() { close(); }
  written_log(const written_log&) = delete;
  written_log& operator=(const written_log&) = delete;

  void append(std::vector<placed_event>& events, std::size_t round_events) {
    for (std::size_t begin = 0; begin < events.size(); begin += round_events) {
      const auto end = std::min(events.size(), begin + round_events);
      persistence::chunk c;
      c.header.shard = shard_;
      c.header.epoch = 1;
      c.header.base = end_.next_offset;
      c.header.count = static_cast<std::uint32_t>(end - begin);
      c.header.stamped_at = events[end - 1].stamped_at;
      byte_writer out{c.payload};
      for (auto i = begin; i < end; ++i) {
        events[i].offset = end_.next_offset + (i - begin);
        events[i].stamped_at = c.header.stamped_at;
        out.text(events[i].bytes);
      }
      persistence::seal(c, end_.chain);
      end_ = {end_.next_offset + c.header.count, c.header.chain, 1, to_ms(c.header.stamped_at)};
      const auto written =
          log_->append({std::make_shared<const persistence::chunk>(std::move(c))}, {});
      ASSERT_TRUE(written) << written.error().text();
    }
  }
  persistence::journal& log() { return *log_; }
  [[nodiscard]] std::uint16_t shard() const { return shard_; }
  void close() {
    if (log_) {
      EXPECT_TRUE(log_->close());
    }
    log_.reset();
  }

 private:
  std::unique_ptr<persistence::journal> log_;
  persistence::shard_end end_;
  std::uint16_t shard_;
};

}  // namespace tally::testing
