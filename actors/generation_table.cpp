#include "actors/generation_table.hpp"

#include "actors/node_env.hpp"
#include "persistence/event_codec.hpp"

namespace tally::actors {
namespace {

constexpr std::size_t tail_bytes_max = 256u << 20;

/// Calls f(merchant, event) for every event of the rounds.
template <class F>
status each_event(const persistence::journal& log, persistence::round_number from,
                  persistence::round_number to, F&& f) {
  return log.scan(from, to, [&](auto, const std::vector<persistence::round_entry>& entries) {
    for (const auto& entry : entries)
      persistence::for_each_event(entry.payload, entry.header.count,
                                  [&](std::uint32_t i, std::string_view bytes) {
                                    f(persistence::peek_merchant(bytes), entry.header.base + i,
                                      entry.header.stamped_at, bytes);
                                  });
    return true;
  });
}

}  // namespace

void generation_table::put(rules_ptr rules) {
  const std::scoped_lock lock{mutex_};
  const auto number = rules->number;
  rules_[number] = std::move(rules);
}

void generation_table::remove(std::uint32_t number) {
  const std::scoped_lock lock{mutex_};
  rules_.erase(number);
}

rules_ptr generation_table::find(std::uint32_t number) const {
  const std::scoped_lock lock{mutex_};
  const auto found = rules_.find(number);
  return found == rules_.end() ? nullptr : found->second;
}

void generation_table::set_defaults(std::vector<std::uint32_t> defaults) {
  const std::scoped_lock lock{mutex_};
  defaults_ = std::move(defaults);
}

std::vector<std::uint32_t> generation_table::defaults() const {
  const std::scoped_lock lock{mutex_};
  return defaults_;
}

result<std::vector<tail_event>> switch_tail::take(const persistence::journal& log,
                                                  const std::string& merchant,
                                                  persistence::round_number since,
                                                  persistence::round_number upto) {
  std::vector<tail_event> taken;
  std::unique_lock lock{mutex_};
  if (since_ == 0) since_ = next_ = since;
  if (since < since_ || bytes_ > tail_bytes_max) {
    // Too much to keep, or older than what is kept: read for this merchant alone.
    lock.unlock();
    auto read = each_event(log, since, upto, [&](auto name, auto offset, auto stamped, auto bytes) {
      if (name == merchant) taken.push_back({offset, stamped, std::string{bytes}});
    });
    if (!read) return read.error();
    return taken;
  }
  if (next_ <= upto) {
    auto read = each_event(log, next_, upto, [&](auto name, auto offset, auto stamped, auto bytes) {
      bytes_ += bytes.size() + sizeof(tail_event);
      events_[std::string{name}].push_back({offset, stamped, std::string{bytes}});
    });
    if (!read) return read.error();
    next_ = upto + 1;
  }
  const auto found = events_.find(merchant);
  if (found == events_.end()) return taken;
  taken = std::move(found->second);
  events_.erase(found);
  for (const auto& e : taken) bytes_ -= e.bytes.size() + sizeof(tail_event);
  return taken;
}

void switch_tail::clear() {
  const std::scoped_lock lock{mutex_};
  events_ = {};
  bytes_ = 0;
  since_ = next_ = 0;
}

result<persistence::serving_record> serving_of(const node_env& env, std::string_view merchant) {
  return persistence::serving_of(*env.journal, env.state.get(), env.generations.defaults(),
                                 merchant);
}

status load_generations(node_env& env) {
  const auto& log = *env.journal;
  const auto settings = persistence::load_settings(log);
  env.generations.put(std::make_shared<persistence::generation_rules>(
      persistence::first_rules(ruleset{}, settings)));
  const auto all = persistence::list_generations(log);
  if (!all) return all.error();
  for (const auto& g : *all) {
    if (g.state == persistence::generation_state::dropped) continue;
    if (g.state == persistence::generation_state::promoting ||
        g.state == persistence::generation_state::rolling_back)
      env.tail_hold = log.first_round();
    auto rules = persistence::load_rules(log, g, settings);
    if (!rules) return rules.error();
    env.generations.put(std::make_shared<persistence::generation_rules>(std::move(*rules)));
  }
  auto defaults = persistence::load_defaults(log);
  if (!defaults) return defaults.error();
  for (const auto number : {defaults->back()})
    if (!env.generations.find(number))
      return failure{errc::corrupt_record, "generation " + std::to_string(number)};
  env.generations.set_defaults(std::move(*defaults));
  return done{};
}

}  // namespace tally::actors
