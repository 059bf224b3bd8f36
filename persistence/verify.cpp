#include "persistence/verify.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <unordered_map>

#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/generation_store.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/replay.hpp"
#include "persistence/state_codec.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {
namespace {

constexpr std::size_t open_merchants_max = 20'000;  // replayed side by side before all are saved
constexpr std::size_t owners_per_page = 1'000;

/// Log and history, which is null where there is none.
struct whole_journal {
  const journal& log;
  const history* past;
};

/// One check of one generation from the first event to the last; that of the first generation
/// checks the journal too.
class verifier {
 public:
  verifier(const whole_journal& from, const state_store& stored, state_store& scratch,
           const generation_rules& rules, verify_report& into)
      : report{into},
        log_{from.log},
        past_{from.past},
        stored_{stored},
        scratch_{scratch},
        generation_{rules.number},
        rules_{rules},
        ends_(shard_count) {
    if (past_ != nullptr) sealed_ = history::sealed(past_->look());
  }

  void list_stored();
  [[nodiscard]] bool any() const { return !merchants_.empty(); }
  void replay(const std::function<void(std::uint64_t, std::uint64_t)>& progress);
  void compare();

  verify_report& report;

 private:
  struct stored_merchant {
    std::uint16_t shard = 0;
    std::uint64_t applied = 0;
  };
  struct shard_position {
    std::uint64_t next_offset = 0, chain = 0;
  };

  void problem(std::string text) { report.problems.push_back(std::move(text)); }
  void note_stored(const state_owner& owner);
  void check_chunk(round_number round, const round_entry& entry);
  [[nodiscard]] sealed_end sealed_of(std::uint16_t shard) const;
  void replay_past();
  void replay_past(std::uint16_t shard, const std::string& merchant);
  void replay_log(const std::function<void(std::uint64_t, std::uint64_t)>& progress);
  struct placed_bytes {
    std::uint16_t shard = 0;
    std::uint64_t offset = 0;
    event_time stamped_at{};
    std::string_view bytes;
  };
  void replay_event(const placed_bytes& placed);
  replayed_merchant* opened(const std::string& merchant, const stored_merchant& stored);
  void save_all();
  void compare(const std::string& merchant, const stored_merchant& stored);

  const journal& log_;
  const history* past_;
  sealed_position sealed_;
  const state_store& stored_;
  state_store& scratch_;
  std::uint32_t generation_;
  const generation_rules& rules_;
  std::vector<shard_position> ends_;
  std::map<std::string, stored_merchant, std::less<>> merchants_;
  std::unordered_map<std::string, std::unique_ptr<replayed_merchant>> open_;
};

void verifier::note_stored(const state_owner& owner) {
  if (!is_merchant_id(owner.merchant)) return;  // left by a rebuild that was cut off
  const auto loaded = load_snapshot(stored_, owner);
  if (!loaded) return problem("state: " + loaded.error().text());
  merchants_[owner.merchant] = {owner.shard, loaded->state.applied};
}

void verifier::list_stored() {
  for (std::uint32_t shard = 0; shard < shard_count; ++shard) {
    std::string after;
    for (;;) {
      const auto owners = stored_.list_owners(static_cast<std::uint16_t>(shard), generation_, after,
                                              owners_per_page);
      if (!owners) return problem("state: " + owners.error().text());
      for (const auto& owner : *owners) {
        after = owner.merchant;
        note_stored(owner);
      }
      if (owners->size() < owners_per_page) break;
    }
  }
}

void verifier::check_chunk(round_number round, const round_entry& entry) {
  const auto& h = entry.header;
  if (h.shard >= shard_count)
    return problem("round " + std::to_string(round) + ": no shard " + std::to_string(h.shard));
  auto& end = ends_[h.shard];
  const auto where = "shard " + std::to_string(h.shard) + ", round " + std::to_string(round) +
                     ", offset " + std::to_string(h.base);
  const auto expected = end.next_offset == 0 ? 1 : end.next_offset;
  if (h.base != expected && !(end.next_offset == 0 && log_.first_round() > 1))
    problem(where + ": offset " + std::to_string(expected) + " was expected");
  const auto sealed = sealed_of(h.shard);
  if (end.next_offset == 0 && h.base > sealed.offset + 1)
    problem(where + ": history ends with offset " + std::to_string(sealed.offset));
  if (h.base + h.count - 1 == sealed.offset && h.chain != sealed.chain)
    problem(where + ": history was sealed from another chunk");
  const bool known = end.next_offset != 0 || h.base == 1;
  if (known && next_chain(end.chain, h) != h.chain)
    problem(where + ": the chain does not continue");
  end = {h.base + h.count, h.chain};
}

replayed_merchant* verifier::opened(const std::string& merchant, const stored_merchant& stored) {
  if (const auto found = open_.find(merchant); found != open_.end()) return found->second.get();
  if (open_.size() >= open_merchants_max) save_all();
  auto made = std::make_unique<replayed_merchant>(
      scratch_, state_owner{stored.shard, generation_, merchant}, rules_.settings_of(merchant),
      rules_.rules_of(merchant));
  if (const auto resumed = made->resume(); !resumed) problem(resumed.error().text());
  return open_.emplace(merchant, std::move(made)).first->second.get();
}

void verifier::save_all() {
  for (auto& [merchant, replayed] : open_)
    if (const auto saved = replayed->save(); !saved) problem("scratch: " + saved.error().text());
  open_.clear();
}

sealed_end verifier::sealed_of(std::uint16_t shard) const {
  const auto found = sealed_.shards.find(shard);
  return found == sealed_.shards.end() ? sealed_end{} : found->second;
}

void verifier::replay_event(const placed_bytes& placed) {
  const auto merchant = peek_merchant(placed.bytes);
  event e;
  if (generation_ == first_generation) ++report.events;
  if (generation_ == first_generation && !decode_event(placed.bytes, e))
    return problem("shard " + std::to_string(placed.shard) + ", offset " +
                   std::to_string(placed.offset) + ": the event does not decode");
  const auto found = merchants_.find(merchant);
  if (found == merchants_.end() || placed.offset > found->second.applied) return;
  auto* const replayed = opened(found->first, found->second);
  if (const auto applied = replayed->apply(placed.bytes, placed.offset, placed.stamped_at);
      !applied)
    problem(applied.error().text());
}

void verifier::replay_past(std::uint16_t shard, const std::string& merchant) {
  const auto read = past_->for_each_event(
      shard, merchant, 0, [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
        replay_event({shard, offset, stamped_at, bytes});
        return true;
      });
  if (!read) problem("history: " + read.error().text());
}

void verifier::replay_past() {
  constexpr std::size_t page = 1'000;
  for (std::uint32_t n = 0; n < shard_count; ++n) {
    const auto shard = static_cast<std::uint16_t>(n);
    std::string after;
    for (;;) {
      const auto merchants = past_->list_merchants(shard, after, page);
      if (!merchants) return problem("history: " + merchants.error().text());
      for (const auto& merchant : *merchants) replay_past(shard, merchant);
      if (merchants->size() < page) break;
      after = merchants->back();
    }
  }
}

void verifier::replay_log(const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const auto last = log_.last_round();
  const bool checks_log = generation_ == first_generation;
  const auto scanned = log_.scan(
      log_.first_round(), last, [&](round_number round, const std::vector<round_entry>& entries) {
        if (checks_log) ++report.rounds;
        for (const auto& entry : entries) {
          if (checks_log) ++report.chunks;
          if (checks_log) check_chunk(round, entry);
          const auto& h = entry.header;
          const auto sealed = sealed_of(h.shard).offset;
          const bool whole =
              for_each_event(entry.payload, h.count, [&](std::uint32_t i, std::string_view bytes) {
                if (h.base + i > sealed) replay_event({h.shard, h.base + i, h.stamped_at, bytes});
              });
          if (!whole && checks_log) problem("round " + std::to_string(round) + ": a chunk is torn");
        }
        progress(round, last);
        return true;
      });
  if (!scanned && checks_log) problem("journal: " + scanned.error().text());
}

void verifier::replay(const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  if (log_.first_round() > sealed_.round + 1 && generation_ == first_generation)
    problem("the log begins with round " + std::to_string(log_.first_round()) +
            ", history ends with " + std::to_string(sealed_.round));
  if (past_ != nullptr) replay_past();
  replay_log(progress);
  save_all();
}

void verifier::compare(const std::string& merchant, const stored_merchant& stored) {
  const state_owner owner{stored.shard, generation_, merchant};
  ++report.merchants;
  const auto kept = load_snapshot(stored_, owner);
  const auto replayed = load_snapshot(scratch_, owner);
  if (!kept) return problem("state: " + kept.error().text());
  if (!replayed)
    return problem("merchant " + merchant + ": the journal has no events of its stored state");
  const auto stored_hash = state_hash(kept->state, stored_, owner, rules_.rules_of(merchant));
  if (!stored_hash)
    return problem("state of merchant " + merchant + ": " + stored_hash.error().text());
  const auto replayed_hash =
      state_hash(replayed->state, scratch_, owner, rules_.rules_of(merchant));
  if (!replayed_hash) return problem("scratch: " + replayed_hash.error().text());
  if (*stored_hash != *replayed_hash)
    problem("merchant " + merchant + ": its stored totals of generation " +
            std::to_string(generation_) + " differ from a replay up to offset " +
            std::to_string(stored.applied));
}

void verifier::compare() {
  for (const auto& [merchant, stored] : merchants_) compare(merchant, stored);
}

using progress_shown = std::function<void(std::uint64_t, std::uint64_t)>;

/// Replays one generation in a scratch store of its own.
status check_generation(const whole_journal& from, const state_store* stored,
                        const std::string& scratch_dir, const generation_rules& rules,
                        const progress_shown& progress, verify_report& report) {
  state_options options;
  options.path = scratch_dir;
  std::error_code ignored;
  std::filesystem::remove_all(scratch_dir, ignored);
  {
    auto scratch = state_store::open(options);
    if (!scratch) return scratch.error();
    verifier v{from, stored == nullptr ? **scratch : *stored, **scratch, rules, report};
    v.list_stored();
    if (v.any() || rules.number == first_generation) {
      v.replay(progress);
      v.compare();
    }
  }
  std::filesystem::remove_all(scratch_dir, ignored);
  return done{};
}

result<std::vector<generation_rules>> all_rules(const journal& log, const ruleset& first) {
  const auto settings = load_settings(log);
  std::vector<generation_rules> all{first_rules(first, settings)};
  const auto records = list_generations(log);
  if (!records) return records.error();
  for (const auto& g : *records) {
    if (g.state == generation_state::dropped) continue;
    auto rules = load_rules(log, g, settings);
    if (!rules) return rules.error();
    all.push_back(std::move(*rules));
  }
  return all;
}

}  // namespace

result<verify_report> verify(const std::string& data_dir, const std::string& scratch_dir,
                             const ruleset& rules,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  if (!std::filesystem::exists(data_dir + "/journal"))
    return failure{errc::not_found, data_dir + " has no journal"};
  verify_report broken;
  journal_options log_options;
  log_options.path = data_dir + "/journal";
  log_options.read_only = true;
  auto log = journal::open(log_options);
  if (!log) {
    broken.problems.push_back("journal: " + log.error().text());
    return broken;
  }
  state_options stored_options;
  stored_options.path = data_dir + "/state";
  stored_options.read_only = true;
  auto stored = state_store::open(stored_options);
  // No state at all is no damage: it is rebuilt from the journal.
  const bool no_state = !stored && stored.error().code == errc::not_found;
  if (!stored && !no_state) {
    broken.problems.push_back("state: " + stored.error().text());
    return broken;
  }
  history_options past_options;
  past_options.path = data_dir + "/history";
  past_options.read_only = true;
  const auto past = history::open(past_options);
  if (!past && past.error().code != errc::not_found) {
    broken.problems.push_back("history: " + past.error().text());
    return broken;
  }
  verify_report report;
  const auto all = all_rules(**log, rules);
  if (!all) {
    broken.problems.push_back("generations: " + all.error().text());
    return broken;
  }
  for (const auto& one : *all)
    if (auto checked = check_generation({**log, past ? past->get() : nullptr},
                                        no_state ? nullptr : stored->get(), scratch_dir, one,
                                        progress, report);
        !checked)
      return checked.error();
  return report;
}

}  // namespace tally::persistence
