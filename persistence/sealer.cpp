#include "persistence/sealer.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include "persistence/event_codec.hpp"
#include "persistence/generation_store.hpp"
#include "persistence/state_codec.hpp"

namespace tally::persistence {
namespace {

/// Rounds in memory, their events by merchant.
struct gathered {
  struct shard_part {
    sealed_end end;
    std::map<std::string, std::vector<tail_row>, std::less<>> merchants;
  };
  std::deque<std::shared_ptr<const std::string>> rounds;  // what the rows point into
  std::map<std::uint16_t, shard_part> shards;
  round_number last = 0;
  std::uint64_t bytes = 0, events = 0;

  status add(round_number round, const stored_round& content);
};

status gathered::add(round_number round, const stored_round& content) {
  rounds.push_back(content.bytes);
  const auto where = "round " + std::to_string(round);
  bytes += content.bytes->size();
  last = round;
  for (const auto& entry : content.entries) {
    auto& shard = shards[entry.header.shard];
    shard.end = {entry.header.base + entry.header.count - 1, entry.header.chain};
    bool named = true;
    const bool whole = for_each_event(
        entry.payload, entry.header.count, [&](std::uint32_t i, std::string_view event_bytes) {
          const auto merchant = peek_merchant(event_bytes);
          named = named && !merchant.empty() && merchant.find('\0') == std::string_view::npos;
          if (!named) return;
          auto found = shard.merchants.find(merchant);
          if (found == shard.merchants.end())
            found = shard.merchants.emplace(std::string{merchant}, std::vector<tail_row>{}).first;
          found->second.push_back(
              {entry.header.base + i, entry.header.stamped_at, event_bytes, row_outcome::fresh});
          ++events;
        });
    if (!whole || !named)
      return failure{errc::corrupt_record, where + " shard " + std::to_string(entry.header.shard)};
  }
  return done{};
}

/// Cuts a merchant's events into blocks.
class block_cutter {
 public:
  void add(const tail_row& row) {
    make_room(row.bytes.size());
    builder_.add(row);
    bytes_ += row.bytes.size();
  }
  /// All of an old block.
  void add(const whole_columns& old, std::uint64_t event_bytes) {
    const auto rows = old.events.rows;
    for (std::size_t row = 0; row < rows; ++row) {
      const auto share = event_bytes * (row + 1) / rows - event_bytes * row / rows;
      make_room(share);
      builder_.add(old, row);
      bytes_ += share;
    }
  }
  std::vector<history_writer::new_block> take() {
    cut();
    return std::move(blocks_);
  }

 private:
  void make_room(std::uint64_t bytes) {
    const bool full = builder_.rows() >= block_rows_max || bytes_ + bytes > block_bytes_max;
    if (full && builder_.rows() > 0) cut();
  }
  void cut() {
    if (builder_.rows() > 0) blocks_.push_back({builder_.take(), bytes_});
    bytes_ = 0;
  }

  column_builder builder_;
  std::uint64_t bytes_ = 0;
  std::vector<history_writer::new_block> blocks_;
};

/// The merchant's last blocks that new events merge with: as long as one is no larger than what
/// comes to it, so that every event is rewritten a logarithm of times, and all fit in one block.
std::vector<block_facts> to_merge(const std::vector<block_facts>& blocks, std::uint64_t rows,
                                  std::uint64_t bytes) {
  auto first = blocks.end();
  while (first != blocks.begin()) {
    const auto& before = *std::prev(first);
    if (before.rows > rows || before.rows + rows > block_rows_max ||
        before.event_bytes + bytes > block_bytes_max)
      break;
    rows += before.rows;
    bytes += before.event_bytes;
    --first;
  }
  return {first, blocks.end()};
}

std::int64_t newest_of(const std::vector<block_facts>& blocks) {
  if (blocks.empty()) return INT64_MIN;
  return std::max(blocks.back().newest_ms, blocks.back().newest_before_ms);
}

}  // namespace

sealer::sealer(const journal& log, const state_store& store, history& to, owner_finder owner_of,
               sealer_options options)
    : log_{log},
      store_{store},
      history_{to},
      owner_of_{std::move(owner_of)},
      options_{std::move(options)} {}

namespace {

/// One seal.
class seal_work {
 public:
  seal_work(const state_store& store, history& to, const sealer::owner_finder& owner_of,
            history_writer& out, sealer_counts& counts)
      : store_{store}, history_{to}, owner_of_{owner_of}, out_{out}, counts_{counts} {}

  status merchant(std::uint16_t shard, const std::string& merchant, std::vector<tail_row>& rows) {
    if (auto judged = judge_rows(shard, merchant, rows); !judged) return judged;
    auto blocks = history_.list_blocks(shard, merchant);
    if (!blocks) return blocks.error();
    std::uint64_t bytes = 0;
    for (const auto& row : rows) bytes += row.bytes.size();
    const auto old = to_merge(*blocks, rows.size(), bytes);
    blocks->resize(blocks->size() - old.size());
    block_cutter cutter;
    std::vector<whole_columns> merged;  // what the new columns point into
    merged.reserve(old.size());
    for (const auto& facts : old) {
      auto columns = history_.read_whole(shard, merchant, facts);
      if (!columns) return columns.error();
      merged.push_back(std::move(*columns));
      cutter.add(merged.back(), facts.event_bytes);
      counts_.merged_events += facts.rows;
    }
    for (const auto& row : rows) cutter.add(row);
    const auto made = cutter.take();
    counts_.blocks += made.size();
    counts_.event_bytes += bytes;
    return out_.replace(shard, merchant, old, made, newest_of(*blocks));
  }

 private:
  status judge_rows(std::uint16_t shard, const std::string& merchant, std::vector<tail_row>& rows) {
    const auto owner = owner_of_(shard, merchant);
    if (!owner) return owner.error();
    const auto saved = saved_offset(store_, *owner, nullptr);
    if (!saved) return saved.error();
    if (*saved < rows.back().offset)
      return failure{errc::unavailable, "merchant " + merchant + " is saved up to " +
                                            std::to_string(*saved) + ", not to " +
                                            std::to_string(rows.back().offset)};
    return judge_saved(store_, *owner, rows);
  }

  const state_store& store_;
  history& history_;
  const sealer::owner_finder& owner_of_;
  history_writer& out_;
  sealer_counts& counts_;
};

}  // namespace

result<bool> sealer::step(round_number end) {
  const auto sealed = history_.sealed_round();
  gathered all;
  for (auto round = sealed + 1;
       round < end && all.bytes < options_.bytes_max && round - sealed <= options_.rounds_max;
       ++round) {
    const auto content = log_.read_entries(round);
    if (!content) return content.error();
    if (auto added = all.add(round, *content); !added) return added.error();
  }
  if (all.last == 0) return false;
  auto writer = history_writer::begin(history_, options_.hook);
  if (!writer) return writer.error();
  auto counts = counts_;
  seal_work work{store_, history_, owner_of_, **writer, counts};
  for (auto& [shard, part] : all.shards) {
    if (auto put = (*writer)->put_sealed(shard, part.end); !put) return put.error();
    for (auto& [merchant, rows] : part.merchants)
      if (auto sealed_one = work.merchant(shard, merchant, rows); !sealed_one)
        return sealed_one.error();
  }
  if (auto committed = (*writer)->commit(all.last); !committed) return committed.error();
  counts.seals += 1;
  counts.events += all.events;
  counts_ = counts;
  return true;
}

sealer::owner_finder serving_owners(const journal& log, const state_store& store) {
  return [&log, &store](std::uint16_t shard, std::string_view merchant) -> result<state_owner> {
    const auto defaults = load_defaults(log);
    if (!defaults) return defaults.error();
    const auto serving = serving_of(log, &store, *defaults, merchant);
    if (!serving) return serving.error();
    return state_owner{shard, serving->generation, std::string{merchant}};
  };
}

}  // namespace tally::persistence
