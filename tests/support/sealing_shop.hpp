#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "domain/logic_v1/apply.hpp"
#include "domain/ruleset.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/replay.hpp"
#include "persistence/sealer.hpp"
#include "persistence/state_codec.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/random_events.hpp"

namespace tally::testing {

/// The same event of another merchant.
inline std::string retargeted(std::string_view bytes, std::string_view merchant) {
  event e;
  EXPECT_TRUE(persistence::decode_event(bytes, e));
  e.merchant = merchant;
  std::string out;
  persistence::encode_event(e, out);
  return out;
}

/// A node without actors: a log, a state that follows it live, and a history. Remembers what went
/// in and what became of it.
class sealing_shop {
 public:
  struct entry {
    std::string merchant, bytes;
  };
  struct journaled {
    std::uint64_t offset = 0;
    event_time stamped_at{};
    std::string bytes;
    row_outcome outcome = row_outcome::fresh;
  };

  explicit sealing_shop(std::string folder, rocksdb::Env* history_env = nullptr)
      : folder_{std::move(folder)}, history_env_{history_env} {
    std::filesystem::create_directories(folder_);
    reopen_log();
    persistence::state_options state_options;
    state_options.path = folder_ + "/state";
    state_options.memtable_bytes = 1 << 20;
    state_options.env = quick_.get();
    auto state = persistence::state_store::open(state_options);
    EXPECT_TRUE(state) << state.error().text();
    state_ = std::move(*state);
  }
  ~sealing_shop() {
    if (log_) {
      EXPECT_TRUE(log_->close());
    }
  }
  sealing_shop(const sealing_shop&) = delete;
  sealing_shop& operator=(const sealing_shop&) = delete;

  /// As after a restart.
  void reopen_log() {
    if (log_) {
      EXPECT_TRUE(log_->close());
    }
    log_.reset();
    persistence::journal_options log_options;
    log_options.path = folder_ + "/journal";
    log_options.segment_bytes = 64 << 10;
    log_options.reserve_bytes = 0;
    log_options.env = quick_.get();
    log_options.watermark_interval = std::chrono::milliseconds{0};
    auto opened = persistence::journal::open(log_options);
    EXPECT_TRUE(opened) << opened.error().text();
    log_ = std::move(*opened);
    ends_ = log_->ends();
    ends_.resize(shard_count);
  }

  static std::uint16_t shard_of(const std::string& merchant) {
    return tally::shard_of(merchant_hash(merchant));
  }

  /// One round with these events, one chunk for each shard.
  void append(const std::vector<entry>& entries, event_time stamped_at) {
    std::map<std::uint16_t, persistence::chunk> chunks;
    for (const auto& one : entries) {
      const auto shard = shard_of(one.merchant);
      auto& c = chunks[shard];
      const auto offset = ends_[shard].next_offset + c.header.count++;
      byte_writer{c.payload}.text(one.bytes);
      events[one.merchant].push_back({offset, stamped_at, one.bytes, row_outcome::fresh});
    }
    std::vector<persistence::chunk_ptr> round;
    for (auto& [shard, c] : chunks) {
      auto& end = ends_[shard];
      c.header.shard = shard;
      c.header.epoch = 1;
      c.header.base = end.next_offset;
      c.header.stamped_at = stamped_at;
      persistence::seal(c, end.chain);
      end = {end.next_offset + c.header.count, c.header.chain, 1, to_ms(stamped_at)};
      round.push_back(std::make_shared<const persistence::chunk>(std::move(c)));
    }
    ASSERT_TRUE(log_->append(round, {}));
  }

  /// Counts what was not counted yet and notes what became of it; saves everything.
  void count() {
    for (auto& [merchant, all] : events) {
      auto& live = live_[merchant];
      if (!live.begun) live.state = persistence::initial_state({});
      live.begun = true;
      for (auto& one : all)
        if (one.offset > live.state.applied) one.outcome = count(live.state, merchant, one);
      save(merchant);
    }
  }
  /// The same for all but the last `unsaved` of each merchant, which are counted but not saved.
  void count_and_save_but(std::size_t unsaved) {
    for (auto& [merchant, all] : events) {
      auto& live = live_[merchant];
      if (!live.begun) live.state = persistence::initial_state({});
      live.begun = true;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (i + unsaved == all.size()) save(merchant);
        if (all[i].offset > live.state.applied)
          all[i].outcome = count(live.state, merchant, all[i]);
      }
    }
  }

  persistence::history& open_history() {
    history_.reset();
    auto opened = try_open_history(folder_ + "/history");
    EXPECT_TRUE(opened) << opened.error().text();
    history_ = std::move(*opened);
    return *history_;
  }
  /// The history of a folder as a node would find it there.
  void open_copy(const std::string& path) {
    history_.reset();
    auto opened = try_open_history(path);
    ASSERT_TRUE(opened) << opened.error().text();
    history_ = std::move(*opened);
  }
  bool try_open() {
    history_.reset();
    auto opened = try_open_history(folder_ + "/history");
    if (opened) history_ = std::move(*opened);
    return opened.ok();
  }
  result<std::unique_ptr<persistence::history>> try_open_history(const std::string& path) const {
    persistence::history_options options;
    options.path = path;
    options.env = history_env_ != nullptr ? history_env_ : quick_.get();
    return persistence::history::open(options);
  }
  void close_history() { history_.reset(); }
  /// Where the next open_history() does its input and output; null: where nothing fails.
  void set_history_env(rocksdb::Env* env) { history_env_ = env; }
  persistence::history& history() { return *history_; }
  persistence::journal& log() { return *log_; }
  persistence::state_store& state() { return *state_; }
  const std::string& folder() const { return folder_; }
  static persistence::state_owner owner_of(const std::string& merchant) {
    return {shard_of(merchant), 1, merchant};
  }
  persistence::sealer make_sealer(persistence::sealer_options options = {}) {
    return {*log_, *state_, *history_, persistence::serving_owners(*log_, *state_),
            std::move(options)};
  }

  /// Everything of a merchant as history and then the log have it.
  std::vector<journaled> everything(const std::string& merchant) {
    std::vector<journaled> found;
    const auto seen = history_->look();
    const auto shard = shard_of(merchant);
    const auto read = history_->for_each_event(
        shard, merchant, 0,
        [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
          found.push_back({offset, stamped_at, std::string{bytes}, row_outcome::fresh});
          return true;
        },
        seen);
    EXPECT_TRUE(read) << read.error().text();
    const auto sealed = persistence::history::sealed(seen).round;
    const auto scanned = log_->scan(
        sealed + 1, log_->last_round(),
        [&](persistence::round_number, const std::vector<persistence::round_entry>& entries) {
          for (const auto& part : entries)
            persistence::for_each_event(
                part.payload, part.header.count, [&](std::uint32_t i, std::string_view bytes) {
                  if (persistence::peek_merchant(bytes) == merchant)
                    found.push_back({part.header.base + i, part.header.stamped_at,
                                     std::string{bytes}, row_outcome::fresh});
                });
          return true;
        });
    EXPECT_TRUE(scanned) << scanned.error().text();
    return found;
  }
  /// Each event once, in order, to the byte.
  void expect_everything() {
    for (const auto& [merchant, all] : events) {
      const auto found = everything(merchant);
      ASSERT_EQ(found.size(), all.size()) << merchant;
      for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(found[i].offset, all[i].offset) << merchant;
        ASSERT_EQ(found[i].stamped_at, all[i].stamped_at) << merchant;
        ASSERT_EQ(found[i].bytes, all[i].bytes) << merchant << " " << i;
      }
    }
  }

  std::map<std::string, std::vector<journaled>> events;  // by merchant

 private:
  struct live_merchant {
    merchant_state state;
    persistence::snapshot_result snapshot;
    bool begun = false;
  };

  row_outcome count(merchant_state& state, const std::string& merchant, const journaled& one) {
    event e;
    EXPECT_TRUE(persistence::decode_event(one.bytes, e));
    std::vector<slice_range> missing;
    state.ids.missing_for(e, one.stamped_at, missing);
    for (const auto& range : missing) {
      const auto ids = persistence::load_ids(*state_, owner_of(merchant), range);
      EXPECT_TRUE(ids);
      state.ids.load(range, *ids);
    }
    const auto done = logic_v1::apply(state, e, {one.offset, one.stamped_at, one.bytes}, rules_);
    if (e.kind != event_kind::data) return row_outcome::control;
    if (done.what == logic_v1::effect::duplicate) return row_outcome::duplicate;
    if (done.what == logic_v1::effect::rejected) return row_outcome::rejected;
    return row_outcome::fresh;
  }
  void save(const std::string& merchant) {
    auto& live = live_[merchant];
    persistence::state_store::batch b;
    live.snapshot =
        persistence::write_snapshot(live.state, owner_of(merchant), live.snapshot, rules_, b);
    EXPECT_TRUE(state_->write(std::move(b)));
  }

  std::string folder_;
  mutable fault_env quick_;  // syncs nothing
  rocksdb::Env* history_env_;
  ruleset rules_;
  std::unique_ptr<persistence::journal> log_;
  std::unique_ptr<persistence::state_store> state_;
  std::unique_ptr<persistence::history> history_;
  std::vector<persistence::shard_end> ends_;
  std::map<std::string, live_merchant> live_;
};

/// Appends random events of several merchants, so many in a round.
inline void append_random(sealing_shop& shop, std::uint32_t seed, std::size_t count,
                          const std::vector<std::string>& merchants, std::size_t round_events) {
  std::vector<sealing_shop::entry> round;
  std::size_t i = 0;
  for (const auto& one : random_events(seed, count)) {
    const auto& merchant = merchants[(i * 7 + i / 3) % merchants.size()];
    round.push_back({merchant, retargeted(one.bytes, merchant)});
    if (++i % round_events == 0 || i == count) {
      shop.append(round, one.stamped_at);
      round.clear();
    }
  }
}

}  // namespace tally::testing
