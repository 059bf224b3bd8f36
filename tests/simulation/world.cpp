#include "tests/simulation/world.hpp"

#include <algorithm>

namespace tally::simulation {
namespace {

constexpr std::uint64_t cluster = 7;
constexpr std::uint16_t shard = 42;
constexpr steady_time tick_every = 50ms;

bool is_later(steady_time a, std::uint64_t a_number, steady_time b, std::uint64_t b_number) {
  return a != b ? a > b : a_number > b_number;
}

}  // namespace

world::world(const run_options& options) : options_{options}, random_{options.seed} {
  const auto copies = 3 - random_.below(5) / 4;  // three, sometimes two
  const auto spares = random_.below(3);
  core_options_.min_in_sync = copies == 2 ? 1 : 2;
  core_options_.window_bytes_max = 4'096;
  core_options_.frame_bytes_max = 2'048;
  core_options_.uncommitted_bytes_max = 64u << 10;
  core_options_.parked_bytes_max = 8u << 10;
  core_options_.fetch_patience = 2s;
  nodes_.resize(copies + spares);
  cuts_.assign(nodes_.size(), std::vector<int>(nodes_.size(), 0));
  store_cuts_.assign(nodes_.size(), 0);
  config_.cluster = cluster;
  config_.version = 1;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto& n = nodes_[i];
    n.id = {static_cast<std::uint32_t>(i + 1)};
    n.steady_begin = random_.between(0s, 1'000s);
    n.drift_ppm = static_cast<std::int64_t>(random_.below(40'001)) - 20'000;
    stored_state first;
    first.owner = n.id;
    if (i < copies) {
      first.id = fresh_id(i);
      n.last_id = first.id;
      homes_[first.id] = i;
      config_.in_sync.push_back(first.id);
      config_.copies.push_back({first.id, n.id});
    }
    n.is_placed = i < copies;
    n.storage.replace(std::move(first));
  }
  draw_profile();
}

void world::at(steady_time delay, std::function<void()> what) {
  schedule_.push_back({now_ + delay, ++numbers_, std::move(what)});
  std::ranges::push_heap(schedule_, [](const scheduled& a, const scheduled& b) {
    return is_later(a.at, a.number, b.at, b.number);
  });
}

void world::at_node(std::size_t n, steady_time delay, std::function<void()> what) {
  at(delay, [this, n, life = nodes_[n].life, what = std::move(what)] {
    if (nodes_[n].life == life) what();
  });
}

bool world::run_next() {
  if (schedule_.empty() || !checker_.violation().empty()) return false;
  std::ranges::pop_heap(schedule_, [](const scheduled& a, const scheduled& b) {
    return is_later(a.at, a.number, b.at, b.number);
  });
  auto next = std::move(schedule_.back());
  schedule_.pop_back();
  now_ = next.at;
  next.what();
  return true;
}

instant world::now_at(const simulated_node& n) const {
  const auto drifted = now_.count() + now_.count() / 1'000'000 * n.drift_ppm +
                       now_.count() % 1'000'000 * n.drift_ppm / 1'000'000;
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(now_) + n.wall_error;
  return {n.steady_begin + steady_time{drifted}, time_from_ms(1'700'000'000'000) + wall};
}

void world::note(const std::string& text) {
  if (!options_.keeps_trace) return;
  outcome_.trace.push_back(std::to_string(now_.count() / 1'000) + "." +
                           std::to_string(now_.count() % 1'000) + " ms  " + text);
}

void world::feed(std::size_t n, replica_event event) {
  auto& node = nodes_[n];
  if (!node.is_up || !node.core) return;
  if (node.is_frozen) {
    if (!std::holds_alternative<ticked>(event)) node.deferred.push_back(std::move(event));
    return;
  }
  ++outcome_.steps;
  for (auto& effect : node.core->step(now_at(node), std::move(event))) {
    if (!nodes_[n].is_up) return;
    std::visit([&](auto& e) { carry_out(n, e); }, effect);
  }
}

replica_id world::fresh_id(std::size_t n) {
  return {n + 1, ++ids_};
}

void world::tick(std::size_t n) {
  feed(n, ticked{});
  at_node(n, tick_every, [this, n] { tick(n); });
}

void world::stop_node(std::size_t n) {
  auto& node = nodes_[n];
  if (!node.is_up) return;
  node.is_up = node.is_frozen = node.syncs = false;
  node.deferred.clear();
  node.core.reset();
  node.fetched.reset();
  ++node.life;
  if (node.unwell_since < 0s) node.unwell_since = now_;
  node.storage.crash(random_);
}

/// A process starts only where it can read the store: it must prove that its directory is the
/// newest one of this node.
void world::start_node(std::size_t n) {
  auto& node = nodes_[n];
  if (node.is_up || !node.is_placed) return;
  if (!reaches_store(n)) {
    at_node(n, 200ms, [this, n] { start_node(n); });
    return;
  }
  open_node(n);
}

recovered_state world::recover(std::size_t n) {
  auto& node = nodes_[n];
  const auto& found = node.storage.durable();
  const bool is_old = found.starts < registered_starts_[n];
  const bool is_foreign = found.owner != node.id;
  recovered_state r;
  r.cluster = cluster;
  r.shard = shard;
  r.node = node.id;
  r.lossy = is_old || is_foreign || node.disk_is_suspect || found.is_suspect;
  r.id = found.id.is_none() ? node.last_id : found.id;
  r.fresh_id = fresh_id(n);
  r.promise = found.promise;
  r.start = found.sealed;
  for (auto i = index_after(found.log, found.sealed.offset); i < found.log.size(); ++i) {
    r.log.push_back(found.log[i].header);
  }
  r.commit = found.commit;
  return r;
}

void world::open_node(std::size_t n) {
  auto& node = nodes_[n];
  auto found = recover(n);
  if (!found.lossy || !options_.rules.lossy_gets_new_id) homes_[found.id] = n;
  auto kept = node.storage.durable();
  kept.owner = node.id;
  kept.is_suspect = found.lossy;
  kept.starts = std::max(kept.starts, registered_starts_[n]);
  node.storage.replace(std::move(kept));
  found.incarnation = registered_starts_[n] = node.storage.begin_start();
  node.disk_is_suspect = false;
  node.is_up = true;
  node.unwell_since = -1s;
  ++node.life;
  note("node " + std::to_string(n) + " starts, incarnation " + std::to_string(found.incarnation) +
       (found.lossy ? ", lossy" : "") + ", log end " +
       std::to_string(found.log.empty() ? found.start.offset : found.log.back().last()));
  node.core = std::make_unique<replica_core>(found, core_options_, now_at(node), options_.rules);
  node.applied = std::max(node.core->commit(), found.start.offset);
  tick(n);
}

run_outcome run(const run_options& options) {
  return world{options}.run();
}

void add_counts(run_outcome& sum, const run_outcome& one) {
  sum.steps += one.steps;
  sum.commits += one.commits;
  sum.acknowledged += one.acknowledged;
  sum.leaders += one.leaders;
  sum.truncations += one.truncations;
  sum.reads += one.reads;
  sum.crashes += one.crashes;
  sum.lost_disks += one.lost_disks;
  sum.doubtful_swaps += one.doubtful_swaps;
  sum.handovers += one.handovers;
  sum.fetched_copies += one.fetched_copies;
}

}  // namespace tally::simulation
