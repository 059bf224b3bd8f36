#include "persistence/log_filter.hpp"

#include <algorithm>
#include <mutex>

#include "domain/bytes.hpp"
#include "persistence/rocks.hpp"

namespace tally::persistence {

log_filter::log_filter() {
  for (auto& offset : shown_) offset = std::numeric_limits<std::uint64_t>::max();
}

void log_filter::add(round_number round, const log_cut& cut) {
  const std::unique_lock hold{mutex_};
  cuts_.push_back({round, cut});
  has_cuts_ = true;
}

std::vector<std::string> log_filter::forget(round_number first) {
  std::vector<std::string> keys;
  const std::unique_lock hold{mutex_};
  std::erase_if(cuts_, [&](const known_cut& c) {
    if (c.round > first) return false;
    keys.push_back(key(c.round, c.cut.shard));
    return true;
  });
  return keys;
}

void log_filter::show_up_to(std::uint16_t shard, std::uint64_t offset) {
  shown_[shard].store(offset, std::memory_order_release);
}

bool log_filter::is_taken_back(round_number round, const chunk_header& header) const {
  return std::ranges::any_of(cuts_, [&](const known_cut& c) {
    return c.cut.shard == header.shard && c.round > round &&
           (c.cut.is_whole || header.base >= c.cut.end.next_offset);
  });
}

void log_filter::apply_cuts(round_number round, std::vector<round_entry>& entries) const {
  if (!has_cuts_) return;
  const std::shared_lock hold{mutex_};
  std::erase_if(entries,
                [&](const round_entry& entry) { return is_taken_back(round, entry.header); });
}

void log_filter::apply(round_number round, std::vector<round_entry>& entries) const {
  std::erase_if(entries, [&](const round_entry& entry) {
    return entry.header.shard < shard_count &&
           entry.header.last() > shown_[entry.header.shard].load(std::memory_order_acquire);
  });
  apply_cuts(round, entries);
}

std::vector<log_cut> log_filter::made_in(round_number round) const {
  std::vector<log_cut> found;
  if (!has_cuts_) return found;
  const std::shared_lock hold{mutex_};
  for (const auto& c : cuts_)
    if (c.round == round) found.push_back(c.cut);
  return found;
}

std::string log_filter::key(round_number round, std::uint16_t shard) {
  std::string text{prefix};
  byte_writer to{text};
  to.u64be(round);
  to.u16be(shard);
  return text;
}

std::string log_filter::encode(const log_cut& cut) {
  std::string out;
  byte_writer to{out};
  to.u64be(cut.end.next_offset);
  to.u64be(cut.end.chain);
  to.u32be(cut.end.epoch);
  to.i64be(cut.end.stamped_at_ms);
  to.u8(cut.is_whole ? 1 : 0);
  return rocks::with_crc(out);
}

status log_filter::load(std::string_view key, std::string_view value) {
  const auto content = rocks::without_crc(value);
  byte_reader name{key.substr(std::min(key.size(), prefix.size()))};
  const auto round = name.u64be();
  log_cut cut;
  cut.shard = name.u16be();
  byte_reader in{content.value_or(std::string_view{})};
  cut.end.next_offset = in.u64be();
  cut.end.chain = in.u64be();
  cut.end.epoch = in.u32be();
  cut.end.stamped_at_ms = in.i64be();
  cut.is_whole = in.u8() != 0;
  if (!name.ok() || !name.at_end() || !in.ok() || !in.at_end() || cut.shard >= shard_count)
    return failure{errc::corrupt_record, "meta cut: damaged"};
  add(round, cut);
  return done{};
}

}  // namespace tally::persistence
