#include "actors/recovery.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "actors/keeper.hpp"
#include "actors/replication.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/registry.hpp"

namespace tally::actors {
namespace {

constexpr int lock_retry_ms = 20;
constexpr std::size_t merchants_per_page = 1'000;

status open_journal(node_env& env) {
  persistence::journal_options log;
  log.path = env.options.data_dir + "/journal";
  log.segment_bytes = env.options.segment_bytes;
  log.reserve_bytes = env.options.reserve_bytes;
  auto journal = persistence::journal::open(log);
  if (!journal) return journal.error();
  env.journal = std::move(*journal);
  return done{};
}

status open_state(node_env& env) {
  persistence::state_options state;
  state.path = env.options.data_dir + "/state";
  state.cache_bytes = env.options.block_cache_bytes;
  auto store = persistence::state_store::open(state);
  if (!store) return store.error();
  env.state = std::move(*store);
  return done{};
}

/// A process that was killed a moment ago may still hold its locks: they end with its memory, which
/// takes the kernel a while where there is much of it.
status once_unlocked(const node_env& env, const std::function<status()>& open) {
  const auto until = std::chrono::steady_clock::now() + env.options.lock_timeout;
  for (bool told = false;; told = true) {
    auto opened = open();
    if (opened || opened.error().code != errc::locked) return opened;
    if (std::chrono::steady_clock::now() >= until) return opened;
    if (!told) spdlog::info("lock_waits reason={}", opened.error().detail);
    ::poll(nullptr, 0, lock_retry_ms);
  }
}

status open_history(node_env& env) {
  persistence::history_options history;
  history.path = env.options.data_dir + "/history";
  history.cache_bytes = env.options.block_cache_bytes;
  auto opened = persistence::history::open(history);
  if (!opened) return opened.error();
  env.history = std::move(*opened);
  return done{};
}

status open_databases(node_env& env) {
  std::error_code ignored;
  std::filesystem::create_directories(env.options.data_dir, ignored);
  if (auto opened = once_unlocked(env, [&] { return open_journal(env); }); !opened) return opened;
  if (auto opened = once_unlocked(env, [&] { return open_state(env); }); !opened) return opened;
  return once_unlocked(env, [&] { return open_history(env); });
}

/// A setting that is fixed when the directory is made: replays must not depend on today's file.
result<std::string> fixed(persistence::journal& log, const std::string& key,
                          const std::string& first_value) {
  auto found = log.get_meta(key);
  if (found || found.error().code != errc::not_found) return found;
  if (auto put = log.put_meta({{key, first_value}}); !put) return put.error();
  return first_value;
}

/// Follows every shard's offsets and chain through the rounds of the tail.
class tail_checker {
 public:
  bool follows(const persistence::chunk_header& h) {
    auto& seen = seen_[h.shard];
    const bool good = seen.next_offset == 0 || (h.base == seen.next_offset &&
                                                h.chain == persistence::next_chain(seen.chain, h));
    seen = {h.base + h.count, h.chain};
    return good;
  }

 private:
  struct position {
    std::uint64_t next_offset = 0, chain = 0;
  };
  std::vector<position> seen_ = std::vector<position>(shard_count);
};

void note(std::vector<tail_index>& tails, persistence::round_number round,
          const persistence::round_entry& entry) {
  auto& tail = tails[lane_of(entry.header.shard)];
  std::string merchant;
  persistence::for_each_event(entry.payload, entry.header.count,
                              [&](std::uint32_t, std::string_view bytes) {
                                merchant = persistence::peek_merchant(bytes);
                                auto& rounds = tail[merchant];
                                if (rounds.empty() || rounds.back() != round)
                                  rounds.push_back(round);
                              });
}

/// All merchants of the history, for there is no telling which of them lack something.
status note_sealed(const persistence::history& past, std::vector<tail_index>& tails) {
  const auto seen = past.look();
  for (std::uint32_t number = 0; number < shard_count; ++number) {
    const auto shard = static_cast<std::uint16_t>(number);
    std::string after;
    for (bool more = true; more;) {
      const auto page = past.list_merchants(shard, after, merchants_per_page, seen);
      if (!page) return page.error();
      for (const auto& merchant : *page) tails[lane_of(shard)][merchant];
      more = page->size() == merchants_per_page;
      if (more) after = page->back();
    }
  }
  return done{};
}

/// A full disk must not keep a node from starting: the salt then waits for the keeper to store it.
status open_salts(node_env& env) {
  const auto turn = persistence::turn_salts(*env.journal, persistence::day_of(env.now()),
                                            shared_salts(env.copies));
  if (!turn) return turn.error();
  auto salts = turn->salts;
  if (!turn->records.empty()) {
    auto put = env.journal->put_meta(turn->records);
    if (!put && put.error().code != errc::disk_full) return put;
    if (!put) salts.today.day = -1;
  }
  env.salts.set(salts);
  return done{};
}

/// Nodes of a cluster believe each other's tokens.
result<std::string> token_secret(node_env& env) {
  constexpr auto key = "token_secret";
  if (env.copies == nullptr) return fixed(*env.journal, key, persistence::random_secret());
  auto shared = env.copies->secret("token");
  if (!shared) return shared;
  if (const auto known = env.journal->get_meta(key); known && *known == *shared) return shared;
  if (auto put = env.journal->put_meta({{key, *shared}}); !put) return put.error();
  return shared;
}

/// Where the unsaved tail begins, and who may lack more than that.
status find_tail(node_env& env, opened_node& node) {
  auto& log = *env.journal;
  // Without the state that the mark speaks of, everything is to be counted again; the mark must go
  // before the first flush makes the state look old.
  if (env.state->is_new())
    if (auto put = log.put_meta({{std::string{tail_first_key}, "1"}}); !put) return put;
  const auto sealed = env.history->sealed_round();
  if (log.first_round() > sealed + 1)
    return failure{errc::corrupt_record,
                   "the log begins with round " + std::to_string(log.first_round()) +
                       ", history ends with " + std::to_string(sealed) + ": history is missing"};
  const auto text = log.get_meta(tail_first_key);
  const persistence::round_number mark = text ? std::strtoull(text->c_str(), nullptr, 10) : 1;
  env.sealed_before = sealed + 1;
  env.saved_before = env.marked = std::max<persistence::round_number>(1, mark);
  const bool past_lacks = sealed != 0 && (mark <= 1 || mark < log.first_round());
  node.tail_first = past_lacks ? sealed + 1 : env.saved_before.load();
  return past_lacks ? note_sealed(*env.history, node.tails) : status{done{}};
}

/// Checks the tail and notes whose events are in it.
status read_log(const persistence::journal& log, opened_node& node) {
  if (node.tail_first > log.last_round()) return done{};
  tail_checker checker;
  status whole = done{};
  auto scanned = log.scan(node.tail_first, log.last_round(), [&](auto round, const auto& entries) {
    for (const auto& entry : entries) {
      if (!checker.follows(entry.header)) {
        whole = failure{errc::corrupt_record, "shard " + std::to_string(entry.header.shard) +
                                                  " does not continue its log in round " +
                                                  std::to_string(round)};
        return false;
      }
      note(node.tails, round, entry);
    }
    return true;
  });
  return scanned ? whole : scanned;
}

}  // namespace

result<opened_node> open_node(node_env& env) {
  if (auto opened = open_databases(env); !opened) return opened.error();
  auto& log = *env.journal;
  const auto zone = fixed(log, "settings/zone", env.options.default_zone);
  const auto currency = fixed(log, "settings/currency", env.options.default_currency);
  const auto secret = token_secret(env);
  for (const auto* value : {&zone, &currency, &secret})
    if (!*value) return value->error();
  if (auto salted = open_salts(env); !salted) return salted.error();
  env.options.default_zone = *zone;
  env.options.default_currency = *currency;

  if (auto loaded = load_generations(env); !loaded) return loaded.error();
  if (auto read = env.rates.refresh(log); !read) return read.error();

  opened_node node;
  node.token_secret = *secret;
  node.tails.resize(lane_count);
  if (auto found = find_tail(env, node); !found) return found.error();
  const auto last = log.last_round();
  env.last_round = last;
  env.traced_from = node.tail_first;
  if (env.tail_hold != 0) env.tail_hold = env.saved_before.load();
  env.log_bytes_now = log.log_bytes();
  if (auto read = read_log(log, node); !read) return read.error();
  std::size_t merchants = 0;
  for (const auto& tail : node.tails) merchants += tail.size();
  spdlog::info("journal_opened rounds={} tail_from={} merchants_behind={}", last, node.tail_first,
               merchants);
  return node;
}

}  // namespace tally::actors
