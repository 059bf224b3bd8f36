#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "actors/commands.hpp"
#include "persistence/generation_builder.hpp"
#include "persistence/generation_diff.hpp"

namespace tally::actors {

using persistence::generation_record;
using persistence::generation_state;

/// What is asked of a new generation.
struct generation_wish {
  std::uint32_t ruleset = 1;
  std::string zone, currency;          // of the merchants named; empty: as they are
  std::vector<std::string> merchants;  // empty: all
  bool promote_when_built = false;
};

/// How far a generation is.
struct generation_progress {
  generation_record record;
  bool built = false;   // it has all that was saved a moment ago, and follows
  double progress = 0;  // 0..1
  double events_per_s = 0;
  double remaining_s = 0;
};

/// Builds generations beside those that serve, and changes which one serves. Everything runs on
/// the thread of its actor; every change of a record is durable before it is acted on, and what
/// was begun goes on after a crash.
class reprocessor {
 public:
  explicit reprocessor(command_context context) : context_{std::move(context)} {}

  /// Reads the generations of the journal.
  status load();
  result<generation_record> start(const generation_wish& wish);
  result<generation_progress> look(std::uint32_t number) const;
  [[nodiscard]] std::vector<generation_progress> list() const;
  status pause(std::uint32_t number);
  status resume(std::uint32_t number);
  /// Makes it serve its merchants, each at once; gives how many changed.
  result<std::size_t> promote(std::uint32_t number);
  /// Makes those before it serve again.
  result<std::size_t> rollback(std::uint32_t number);
  /// Deletes what it has; nobody may be served by it.
  status drop(std::uint32_t number);
  /// Both at the same offset of each merchant, largest changes first.
  result<std::vector<persistence::generation_change>> diff(std::uint32_t number, std::size_t limit);
  /// Works for a moment; gives when it wants to be called again.
  std::chrono::milliseconds tick();

 private:
  struct job {
    generation_record record;
    std::unordered_set<std::string> merchants;
    std::unique_ptr<persistence::generation_builder> builder;
    persistence::round_number wanted = 0;  // once that is read, it is built
    bool built = false;
    std::uint64_t events = 0;  // since `measured`
    std::chrono::steady_clock::time_point measured{};
    double events_per_s = 0;
    std::optional<failure> unknown;  // a merchant's serving generation could not be read
  };
  /// A merchant that is to be served by another generation.
  struct target {
    std::string merchant;
    std::uint32_t from = 0, to = 0;
    std::vector<std::uint32_t> below;  // once it is: where a rollback goes, the newest last
  };

  result<job*> find(std::uint32_t number);
  job& add(generation_record record);
  status set_state(job& j, generation_state state);
  status inherit_reporting(generation_record& g) const;
  status make_builder(job& j, bool back);
  rules_ptr choose(job& j, bool back, std::string_view merchant);
  [[nodiscard]] std::vector<std::uint32_t> below(std::uint32_t number,
                                                 std::string_view merchant) const;
  [[nodiscard]] std::uint32_t before(std::uint32_t number, std::string_view merchant) const;
  [[nodiscard]] generation_progress progress_of(const job& j) const;
  std::uint64_t work_on(job& j);
  void fail(job& j, const failure& why);
  void measure(job& j, std::uint64_t events);
  void ask_for_saves();

  // reprocess_switch.cpp
  result<std::size_t> change_sides(job& j, bool back);
  status save_everything();
  status set_defaults(const job& j, bool back);
  result<std::vector<std::string>> merchants_of(const job& j) const;
  result<std::vector<target>> targets_of(job& j, bool back);
  status build_up(job& j, bool back);
  status pin_newcomers(const job& j);
  /// A change, and the generation that serves its merchant once it is in its state.
  using announced = std::pair<registry_change_ptr, std::uint32_t>;
  /// Hands `count` changes to their lanes; returns once each merchant is served as it says.
  status announce(std::size_t count, const std::function<announced(std::size_t)>& change_at);
  registry_change_ptr change_for(const target& t, persistence::round_number since) const;
  status remove(job& j);

  // reprocess_diff.cpp
  struct seen_merchant;
  result<std::vector<seen_merchant>> look_at(const std::vector<target>& group);
  status bring_to(const std::vector<seen_merchant>& group, const job& j);

  command_context context_;
  std::map<std::uint32_t, job> jobs_;
  std::chrono::steady_clock::time_point asked_{};
};

/// Spawned detached: it waits for the disk.
reprocess_actor::behavior_type reprocess(reprocess_actor::pointer self, command_context context);

}  // namespace tally::actors
