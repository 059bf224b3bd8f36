#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "domain/shard.hpp"
#include "persistence/chunk.hpp"
#include "persistence/journal.hpp"

namespace tally::testing {

/// Makes rounds that follow one another, each with recognisable content.
class round_maker {
 public:
  explicit round_maker(std::vector<persistence::shard_end> ends = {}) : ends_{std::move(ends)} {
    ends_.resize(shard_count);
  }

  /// The next round's chunks: one chunk in each given shard, with events of `event_bytes`.
  std::vector<persistence::chunk_ptr> next(const std::vector<std::uint16_t>& shards,
                                           std::size_t event_bytes = 20) {
    std::vector<persistence::chunk_ptr> chunks;
    for (const auto shard : shards) chunks.push_back(chunk(shard, event_bytes));
    return chunks;
  }

  [[nodiscard]] const std::vector<persistence::shard_end>& ends() const { return ends_; }

 private:
  persistence::chunk_ptr chunk(std::uint16_t shard, std::size_t event_bytes) {
    auto& end = ends_[shard];
    persistence::chunk c;
    c.header.shard = shard;
    c.header.epoch = 1;
    c.header.base = end.next_offset;
    c.header.count = 2;
    c.header.stamped_at = time_from_ms(end.stamped_at_ms + 1);
    byte_writer out{c.payload};
    for (std::uint64_t i = 0; i < c.header.count; ++i) {
      auto text = std::to_string(shard) + "/" + std::to_string(end.next_offset + i) + " ";
      while (text.size() < event_bytes) text.push_back(static_cast<char>('a' + next_letter()));
      out.text(text);
    }
    persistence::seal(c, end.chain);
    end = {end.next_offset + c.header.count, c.header.chain, 1, to_ms(c.header.stamped_at)};
    return std::make_shared<const persistence::chunk>(std::move(c));
  }
  /// Letters that do not compress away.
  unsigned next_letter() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>(random_ >> 33) % 26;
  }

  std::vector<persistence::shard_end> ends_;
  std::uint64_t random_ = 1;
};

}  // namespace tally::testing
