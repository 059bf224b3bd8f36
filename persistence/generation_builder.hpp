#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "persistence/generation_store.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/replay.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {

using rules_ptr = std::shared_ptr<const generation_rules>;

/// Where a builder keeps how far it is: as it builds the generation, or what it took over from.
constexpr std::uint32_t build_place = 0, rollback_place = 1;

/// Builds generations that nobody is served from, from the log, in one pass over it for all
/// merchants. What it has done rests in the state database together with how far it came, so that a
/// crash costs only what was not flushed. Waits for the disk; belongs to one thread.
class generation_builder {
 public:
  /// The rules under which a merchant is to be built; null where it is not.
  using chooser = std::function<rules_ptr(std::string_view merchant)>;

  /// `place` names the progress among those of `number`. With shared ids, rounds may be
  /// read once the serving generation has saved their events.
  /// What was dropped from the log comes from `past`, merchant by merchant; it may be null where
  /// the log has everything.
  generation_builder(const journal& log, state_store& store, std::uint32_t number,
                     std::uint32_t place, chooser choose, id_use ids = id_use::shared,
                     const history* past = nullptr);

  /// Reads how far it came; begins with the first round where it never began.
  status resume();
  /// Works on rounds before `end`, until it has read about `events_max` events. Gives how many.
  result<std::uint64_t> step(round_number end, std::uint64_t events_max);
  /// Saves every merchant it has in memory and, at the build place, how far it is.
  status save();
  /// The first round that it has not read.
  [[nodiscard]] round_number next() const { return next_; }
  /// About the same, to tell progress by: rises while it reads what is sealed, too.
  [[nodiscard]] round_number reached() const;

  /// Notes for the rollback place from which round on the side that served will lack events; the
  /// first note stays, so that a rollback never begins too late.
  static status note_rollback(state_store& store, std::uint32_t number, round_number next);
  /// Where the progress rests, beside the merchants of the generation.
  [[nodiscard]] static state_owner progress_owner(std::uint32_t number);

 private:
  struct open_merchant {
    rules_ptr rules;
    std::unique_ptr<replayed_merchant> state;  // null: not to be built
  };
  open_merchant& opened(std::uint16_t shard, std::string_view merchant);
  status add(const round_entry& entry, std::uint64_t& events);
  /// Goes on with what is sealed; next_ moves behind it when all of it is done.
  result<std::uint64_t> step_past(std::uint64_t events_max);
  result<std::uint64_t> read_past(std::uint16_t shard, const std::string& merchant,
                                  std::uint64_t events_max);
  result<std::uint64_t> step_log(round_number end, std::uint64_t events_max);
  status save_if_full();
  static status note(state_store& store, std::uint32_t number, std::uint32_t place,
                     round_number next);

  const journal& log_;
  state_store& store_;
  std::uint32_t number_, place_;
  chooser choose_;
  id_use ids_;
  const history* past_;
  // Of the sealed part, while it is read: a merchant that is done has no more to do after a crash.
  struct past_place {
    history::view_ptr seen;
    std::uint32_t shard = 0;
    std::string merchant;      // the last one that is done
    std::uint64_t offset = 0;  // of the one after it: where to go on
  };
  std::unique_ptr<past_place> past_place_;
  round_number next_ = 0, noted_ = 0;
  std::unordered_map<std::string, open_merchant> open_;
  std::uint64_t unsaved_ = 0;
  std::string name_;  // kept for its memory
  std::optional<failure> failed_;
};

}  // namespace tally::persistence
