#include "actors/keeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "actors/replication.hpp"

namespace tally::actors {
namespace {

constexpr std::chrono::seconds tick_every{1};
constexpr std::chrono::seconds answer_timeout{60};
constexpr std::chrono::seconds salts_again_after{60};  // where they could not be stored

struct keeper_data {
  node_env_ptr env;
  std::vector<lane_actor> lanes;
  journal_actor journal;
  std::deque<std::pair<persistence::round_number, std::uint64_t>> sizes;  // round, log bytes
  std::chrono::steady_clock::time_point flushed = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point salts_tried{};
};

/// The round before which everything should be saved: half the budget behind the log's end.
persistence::round_number too_old(keeper_data& data) {
  const auto now = data.env->log_bytes_now.load();
  data.sizes.emplace_back(data.env->last_round.load(), now);
  const auto budget = data.env->options.log_unsealed_bytes_max / 2;
  persistence::round_number round = 0;
  while (data.sizes.size() > 1 && now - data.sizes.front().second > budget) {
    round = data.sizes.front().first;
    data.sizes.pop_front();
  }
  return round;
}

/// One flush: asks every lane, flushes, writes the mark.
struct mark {
  std::size_t waiting = 0;
  persistence::round_number first = 0;
};

void finish(keeper_actor::pointer self, keeper_data& data, const mark& m,
            caf::typed_response_promise<bool> promise) {
  data.env->crash.pass(crash_point::keeper_before_flush);
  if (const auto flushed = data.env->state->flush(); !flushed) {
    spdlog::warn("state_not_flushed reason={}", flushed.error().text());
    promise.deliver(false);
    return;
  }
  data.env->crash.pass(crash_point::keeper_after_flush);
  data.env->metrics.state_bytes = static_cast<std::int64_t>(data.env->state->bytes());
  data.env->metrics.log_bytes = static_cast<std::int64_t>(data.env->journal->log_bytes());
  const auto hold = data.env->tail_hold.load();
  const auto upto = std::min(m.first, data.env->backups.lowest());
  const auto first = hold == 0 ? upto : std::min(hold, upto);
  self->request(data.journal, answer_timeout, meta_atom::value, std::string{tail_first_key},
                std::to_string(first))
      .then(
          [promise, env = data.env, saved = m.first, first](bool good) mutable {
            env->crash.pass(crash_point::keeper_after_mark);
            if (good) env->marked = first;
            if (good) env->saved_before = saved;
            promise.deliver(good);
          },
          [promise](caf::error&) mutable { promise.deliver(false); });
}

caf::result<bool> flush(keeper_actor::pointer self, const std::shared_ptr<keeper_data>& data) {
  auto promise = self->make_response_promise<bool>();
  auto m = std::make_shared<mark>();
  // Read before the lanes are asked: what is committed later is theirs to remember.
  m->first = data->env->last_round + 1;
  if (const auto untold = data->env->untold_from.load(); untold != 0)
    m->first = std::min(m->first, untold);
  m->waiting = data->lanes.size();
  data->flushed = std::chrono::steady_clock::now();
  for (const auto& lane : data->lanes)
    self->request(lane, answer_timeout, oldest_atom::value)
        .then(
            [self, data, m, promise](std::uint64_t oldest) {
              if (oldest != 0) m->first = std::min(m->first, oldest);
              if (--m->waiting == 0) finish(self, *data, *m, promise);
            },
            [promise](caf::error&) mutable { promise.deliver(false); });
  return promise;
}

/// With a new day come new visitors' names. Until the new salt is durable the old one stays.
void turn_salts(keeper_actor::pointer self, keeper_data& data) {
  const auto day = persistence::day_of(data.env->now());
  const auto now = std::chrono::steady_clock::now();
  if (data.env->salts.get().today.day == day || now - data.salts_tried < salts_again_after) return;
  data.salts_tried = now;
  auto turn = persistence::turn_salts(*data.env->journal, day, shared_salts(data.env->copies));
  if (!turn) {
    spdlog::warn("salts_not_turned reason={}", turn.error().text());
    return;
  }
  auto left = std::make_shared<std::size_t>(turn->records.size());
  if (*left == 0) data.env->salts.set(turn->salts);
  for (const auto& r : turn->records)
    self->request(data.journal, answer_timeout, meta_atom::value, r.key, r.value)
        .then(
            [left, env = data.env, salts = turn->salts](bool good) {
              if (good && --*left == 0) env->salts.set(salts);
            },
            [](caf::error&) {});
}

void tick(keeper_actor::pointer self, const std::shared_ptr<keeper_data>& data) {
  self->delayed_send(self, tick_every, tick_atom::value);
  // Refused writes are not tried again by themselves, so someone has to look for space.
  if (data->env->disk_full) self->send(data->journal, probe_atom::value);
  turn_salts(self, *data);
  if (const auto round = too_old(*data); round != 0)
    for (const auto& lane : data->lanes) self->send(lane, save_atom::value, round);
  if (std::chrono::steady_clock::now() - data->flushed >= data->env->options.flush_interval)
    caf::anon_send(keeper_actor{self}, flush_atom::value);
}

}  // namespace

keeper_actor::behavior_type keeper(keeper_actor::pointer self, node_env_ptr env,
                                   std::vector<lane_actor> lanes, journal_actor journal) {
  auto data = std::make_shared<keeper_data>();
  data->env = std::move(env);
  data->lanes = std::move(lanes);
  data->journal = std::move(journal);
  self->delayed_send(self, tick_every, tick_atom::value);
  return {
      [self, data](tick_atom) { tick(self, data); },
      [self, data](flush_atom) { return flush(self, data); },
  };
}

}  // namespace tally::actors
