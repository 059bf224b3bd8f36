#include "domain/placement.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace tally {
namespace {

bool holds(const std::vector<node_id>& list, node_id id) {
  return std::ranges::count(list, id) > 0;
}

struct node_load {
  const placed_node* node = nullptr;
  bool may_hold = false;  // copies may stay and come
  std::size_t copies = 0, leads = 0;
  std::size_t coming = 0, going = 0;  // copies that are on their way
};

/// One shard's list in two parts: the goal, and who holds a copy until the goal is in sync.
struct shard_plan {
  std::vector<node_id> goal, leaving;
  std::set<node_id> in_sync;  // by the shard's configuration
  node_id leader;             // the same
  bool is_known = false;
  bool lost_first = false;  // who should have led may not hold it any more

  [[nodiscard]] bool is_settled() const {
    return leaving.empty() &&
           std::ranges::all_of(goal, [&](node_id n) { return in_sync.contains(n); });
  }
  [[nodiscard]] std::vector<node_id> list() const {
    auto all = goal;
    all.insert(all.end(), leaving.begin(), leaving.end());
    return all;
  }
};

class planner {
 public:
  planner(const placement& current, const std::vector<shard_config>& actual,
          const std::vector<placed_node>& nodes, const placement_options& options)
      : options_{options} {
    for (const auto& node : nodes) {
      const bool stays = node.is_live || node.dead_for < options.replace_after;
      loads_[node.id] = {&node, node.state == node_state::active && stays, 0, 0, 0, 0};
    }
    wanted_ =
        std::min(options.copies, static_cast<std::size_t>(std::ranges::count_if(
                                     loads_, [](const auto& l) { return l.second.may_hold; })));
    for (std::size_t i = 0; i < actual.size(); ++i) {
      read(i < current.size() ? current[i] : std::vector<node_id>{}, actual[i]);
    }
  }

  placement run() {
    if (wanted_ > 0) {
      give_up_copies();
      count();
      place_new_shards();
      fill_goals();
      if (zones_are_missing()) balance(aim::zones);
      balance(aim::spread);
      choose_leaders();
      spread_leaders();
    }
    placement next;
    for (const auto& shard : shards_) next.push_back(shard.list());
    return next;
  }

 private:
  enum class aim : std::uint8_t { zones, spread };

  void read(const std::vector<node_id>& list, const shard_config& config) {
    shard_plan shard;
    shard.is_known = config.version != 0;
    for (const auto& copy : config.copies) {
      if (config.is_in_sync(copy.id)) shard.in_sync.insert(copy.node);
      if (copy.id == config.leader) shard.leader = copy.node;
    }
    // Who has it and is not named: nothing was planned yet, or it is not given up yet.
    auto known = list;
    for (const auto id : holders(config)) {
      if (!holds(known, id)) known.push_back(id);
    }
    for (const auto id : known) {
      const bool is_named = list.empty() || holds(list, id);
      const bool is_goal = is_named && may_hold(id) && shard.goal.size() < wanted_;
      if (holds(shard.goal, id) || holds(shard.leaving, id)) continue;
      (is_goal ? shard.goal : shard.leaving).push_back(id);
    }
    shard.lost_first = !shard.goal.empty() && shard.goal.front() != known.front();
    shards_.push_back(std::move(shard));
  }

  /// Whose copies are in sync, the leader first.
  static std::vector<node_id> holders(const shard_config& config) {
    std::vector<node_id> list;
    for (const auto& copy : config.copies) {
      if (!config.is_in_sync(copy.id) || holds(list, copy.node)) continue;
      list.insert(copy.id == config.leader ? list.begin() : list.end(), copy.node);
    }
    return list;
  }

  [[nodiscard]] bool may_hold(node_id id) const {
    const auto found = loads_.find(id);
    return found != loads_.end() && found->second.may_hold;
  }
  [[nodiscard]] bool is_live(node_id id) const {
    const auto found = loads_.find(id);
    return found != loads_.end() && found->second.node->is_live;
  }
  [[nodiscard]] bool is_ready(const shard_plan& shard, node_id id) const {
    return is_live(id) && shard.in_sync.contains(id);
  }
  [[nodiscard]] const std::string& zone_of(node_id id) const {
    static const std::string none;
    const auto found = loads_.find(id);
    return found == loads_.end() ? none : found->second.node->zone;
  }

  /// One that is not in sync protects nothing. One that is goes when those that stay are enough.
  void give_up_copies() {
    for (auto& shard : shards_) {
      if (!shard.is_known) continue;
      const auto ready = static_cast<std::size_t>(
          std::ranges::count_if(shard.goal, [&](node_id id) { return is_ready(shard, id); }));
      std::erase_if(shard.leaving, [&](node_id id) {
        if (!shard.in_sync.contains(id)) return true;
        const auto needed =
            is_live(id) ? std::max(options_.min_in_sync, wanted_) : options_.min_in_sync;
        return ready >= needed;
      });
    }
  }

  void count() {
    for (const auto& shard : shards_) {
      for (const auto id : shard.goal) {
        auto& load = loads_[id];
        ++load.copies;
        if (shard.is_known && !shard.in_sync.contains(id)) ++load.coming;
      }
      if (!shard.goal.empty()) ++loads_[shard.goal.front()].leads;
      for (const auto id : shard.leaving) {
        const auto found = loads_.find(id);
        if (found != loads_.end() && shard.goal.size() >= wanted_) ++found->second.going;
      }
    }
  }

  [[nodiscard]] std::size_t zones_without(const shard_plan& shard, std::optional<node_id> without,
                                          std::optional<node_id> with) const {
    std::set<std::string> zones;
    std::size_t of_none = 0;  // each for itself
    const auto add = [&](node_id id) {
      if (zone_of(id).empty()) {
        ++of_none;
      } else {
        zones.insert(zone_of(id));
      }
    };
    for (const auto id : shard.goal) {
      if (id != without) add(id);
    }
    if (with) add(*with);
    return zones.size() + of_none;
  }

  /// Of those that may get a copy the one in a new zone and with the fewest; none where all wait.
  [[nodiscard]] std::optional<node_id> best_addition(const shard_plan& shard,
                                                     std::size_t coming_max) const {
    std::optional<node_id> best;
    std::pair<std::size_t, std::size_t> best_rank;
    for (const auto& [id, load] : loads_) {
      if (!load.may_hold || !load.node->is_live || holds(shard.goal, id)) continue;
      if (load.coming >= coming_max && !shard.in_sync.contains(id)) continue;
      const std::pair rank{
          options_.copies - std::min(options_.copies, zones_without(shard, {}, id)), load.copies};
      if (!best || rank < best_rank) {
        best = id;
        best_rank = rank;
      }
    }
    return best;
  }

  void add(shard_plan& shard, node_id id) {
    auto& load = loads_[id];
    if (shard.is_known && !shard.in_sync.contains(id)) ++load.coming;
    ++load.copies;
    if (shard.goal.empty()) ++load.leads;
    shard.goal.push_back(id);
    std::erase(shard.leaving, id);
  }

  /// Nothing is there yet that could be moved, so there is nothing to spare.
  void place_new_shards() {
    for (auto& shard : shards_) {
      if (!shard.goal.empty() || !shard.leaving.empty()) continue;
      while (shard.goal.size() < wanted_) {
        const auto id = best_addition(shard, std::numeric_limits<std::size_t>::max());
        if (!id) break;
        add(shard, *id);
      }
      if (!shard.goal.empty()) put_best_leader_first(shard);
    }
  }

  void put_best_leader_first(shard_plan& shard) {
    const auto old = shard.goal.front();
    --loads_[old].leads;
    const auto rank = [&](node_id id) {
      return std::tuple{shard.is_known && !shard.in_sync.contains(id), !is_live(id),
                        loads_[id].leads};
    };
    const auto best = std::ranges::min_element(
        shard.goal, [&](node_id a, node_id b) { return rank(a) < rank(b); });
    std::rotate(shard.goal.begin(), best, best + 1);
    ++loads_[shard.goal.front()].leads;
  }

  /// Faster where copies are missing than where a node is emptied that still has them.
  void fill_goals() {
    for (auto& shard : shards_) {
      while (shard.goal.size() < wanted_) {
        const auto all = shard.list();
        const auto ready = static_cast<std::size_t>(
            std::ranges::count_if(all, [&](node_id id) { return is_ready(shard, id); }));
        const auto coming_max =
            ready < wanted_ ? options_.fills_per_node_max : options_.moves_per_node_max;
        const auto id = best_addition(shard, coming_max);
        if (!id) break;
        add(shard, *id);
      }
    }
  }

  [[nodiscard]] bool zones_are_missing() const {
    shard_plan everywhere;
    everywhere.goal = live_nodes();
    const auto best = std::min(wanted_, zones_without(everywhere, {}, {}));
    return std::ranges::any_of(
        shards_, [&](const auto& shard) { return zones_without(shard, {}, {}) < best; });
  }
  [[nodiscard]] bool is_uneven(node_id from, node_id to) const {
    return loads_.at(from).copies >= loads_.at(to).copies + 2;
  }
  [[nodiscard]] bool is_better(aim what, const shard_plan& shard, node_id from, node_id to) const {
    const auto before = zones_without(shard, {}, {});
    const auto after = zones_without(shard, from, to);
    return what == aim::zones ? after > before : after >= before;
  }

  /// Moves copies from the nodes with the most to those with the fewest, as many as may be on their
  /// way. Of a shard one at a time, and only where all the others are in sync.
  void balance(aim what) {
    while (move_one(what)) {
    }
  }
  bool move_one(aim what) {
    auto fullest = live_nodes();
    std::ranges::stable_sort(fullest, std::greater{},
                             [&](node_id id) { return loads_[id].copies; });
    const std::vector<node_id> emptiest{fullest.rbegin(), fullest.rend()};
    for (const auto from : fullest) {
      if (loads_[from].going >= options_.moves_per_node_max) continue;
      for (const auto to : emptiest) {
        if (to == from || loads_[to].coming >= options_.moves_per_node_max) continue;
        if (what == aim::spread && !is_uneven(from, to)) continue;
        if (auto* shard = movable(what, from, to)) {
          move(*shard, from, to);
          return true;
        }
      }
    }
    return false;
  }
  [[nodiscard]] std::vector<node_id> live_nodes() const {
    std::vector<node_id> list;
    for (const auto& [id, load] : loads_) {
      if (load.may_hold && load.node->is_live) list.push_back(id);
    }
    return list;
  }
  /// Rather one that `from` does not lead.
  [[nodiscard]] shard_plan* movable(aim what, node_id from, node_id to) {
    shard_plan* led = nullptr;
    for (auto& shard : shards_) {
      if (!shard.is_known || !shard.is_settled() || shard.goal.size() < wanted_) continue;
      if (!holds(shard.goal, from) || holds(shard.goal, to)) continue;
      if (!is_better(what, shard, from, to)) continue;
      if (shard.goal.front() != from) return &shard;
      if (led == nullptr) led = &shard;
    }
    return led;
  }
  void move(shard_plan& shard, node_id from, node_id to) {
    const bool led = shard.goal.front() == from;
    if (led) --loads_[from].leads;
    std::erase(shard.goal, from);
    shard.leaving.push_back(from);
    --loads_[from].copies;
    ++loads_[from].going;
    if (led && !shard.goal.empty()) ++loads_[shard.goal.front()].leads;
    add(shard, to);
    if (led) put_best_leader_first(shard);
  }

  /// Where the first one is away or not in sync yet, the next one leads until it is.
  void choose_leaders() {
    for (auto& shard : shards_) {
      if (shard.lost_first) put_best_leader_first(shard);
    }
  }

  /// Hands one over along a chain of nodes, each of which gives one on, where no direct one exists.
  void spread_leaders() {
    auto open = static_cast<std::size_t>(std::ranges::count_if(shards_, [&](const auto& shard) {
      return shard.is_known && !shard.goal.empty() && shard.goal.front() != shard.leader &&
             is_ready(shard, shard.goal.front());
    }));
    while (open < options_.handovers_max) {
      const auto chain = leader_chain();
      if (chain.empty()) return;
      for (const auto& [shard, to] : chain) {
        const auto at = std::ranges::find(shard->goal, to);
        --loads_[shard->goal.front()].leads;
        ++loads_[to].leads;
        std::rotate(shard->goal.begin(), at, at + 1);
        if (shard->is_known) ++open;
      }
    }
  }
  using hand_over = std::pair<shard_plan*, node_id>;
  [[nodiscard]] std::vector<hand_over> leader_chain() {
    auto nodes = live_nodes();
    std::ranges::stable_sort(nodes, std::greater{}, [&](node_id id) { return loads_[id].leads; });
    for (const auto from : nodes) {
      auto chain = chain_from(from);
      if (!chain.empty()) return chain;
    }
    return {};
  }
  /// The shortest one to a node that leads two fewer at least.
  [[nodiscard]] std::vector<hand_over> chain_from(node_id from) {
    std::map<node_id, std::pair<node_id, shard_plan*>> came_by;
    std::vector<node_id> queue{from};
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const auto at = queue[i];
      if (loads_[at].leads + 2 <= loads_[from].leads) return chain_to(at, from, came_by);
      for (auto& shard : shards_) {
        if (shard.goal.empty() || shard.goal.front() != at) continue;
        if (shard.is_known && !shard.is_settled()) continue;
        for (const auto next : shard.goal) {
          const bool may_lead = is_live(next) && (!shard.is_known || shard.in_sync.contains(next));
          if (next == from || came_by.contains(next) || !may_lead) continue;
          came_by[next] = {at, &shard};
          queue.push_back(next);
        }
      }
    }
    return {};
  }
  static std::vector<hand_over> chain_to(
      node_id to, node_id from, const std::map<node_id, std::pair<node_id, shard_plan*>>& came_by) {
    std::vector<hand_over> chain;
    while (to != from) {
      const auto& [before, shard] = came_by.at(to);
      chain.emplace_back(shard, to);
      to = before;
    }
    return chain;
  }

  const placement_options& options_;
  std::map<node_id, node_load> loads_;
  std::size_t wanted_ = 0;
  std::vector<shard_plan> shards_;
};

}  // namespace

bool is_valid(const placement_options& o) {
  return o.copies > 0 && o.min_in_sync > 0 && o.min_in_sync <= o.copies &&
         o.moves_per_node_max > 0 && o.fills_per_node_max >= o.moves_per_node_max &&
         o.handovers_max > 0 && o.replace_after.count() > 0;
}

placement plan_placement(const placement& current, const std::vector<shard_config>& actual,
                         const std::vector<placed_node>& nodes, const placement_options& options) {
  return planner{current, actual, nodes, options}.run();
}

}  // namespace tally
