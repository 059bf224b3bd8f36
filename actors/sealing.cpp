#include "actors/sealing.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "domain/shard.hpp"
#include "persistence/sealer.hpp"

namespace tally::actors {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds tick_every{1'000}, hurry{100};
constexpr std::chrono::seconds flush_timeout{60}, drop_timeout{60};
constexpr std::chrono::seconds after_failure{60};

/// Sealing may wait, events and questions may not: on a busy machine this thread comes last.
void give_way() {
  constexpr int politeness = 10;
  const auto me = static_cast<id_t>(::syscall(SYS_gettid));
  static_cast<void>(::setpriority(PRIO_PROCESS, me, politeness));
}

struct sealing_state {
  node_env_ptr env;
  std::vector<lane_actor> lanes;
  keeper_actor keeper;
  journal_actor journal;
  std::optional<persistence::sealer> work;
  std::uint64_t bytes_sealed_at = 0;  // size of the log when it was last sealed
  steady_clock::time_point sealed_at{}, failed_at{};
  persistence::round_number target = 0;  // everything before it is to be saved and sealed
  bool flushing = false;
  bool dropping = false;
  persistence::round_number dropped_before = 0;  // what was last asked for
  std::vector<caf::typed_response_promise<std::uint64_t>> waiting;
  bool polite = false;
};

result<persistence::state_owner> serving_owner(const node_env& env, std::string_view merchant) {
  const auto serving = serving_of(env, merchant);
  if (!serving) return serving.error();
  return owner_of(merchant_hash(merchant), merchant, serving->generation);
}

void seal(sealing_state& s) {
  auto& env = *s.env;
  const auto began = steady_clock::now();
  const auto bytes = env.log_bytes_now.load();
  for (bool more = true; more && !env.draining;) {
    const auto step = s.work->step(env.saved_before);
    if (!step) {
      spdlog::error("not_sealed reason={}", step.error().text());
      s.failed_at = steady_clock::now();
      return;
    }
    more = *step;
    env.metrics.sealed_events = s.work->counts().events;
    env.sealed_before = env.history->sealed_round() + 1;
  }
  env.metrics.history_bytes = static_cast<std::int64_t>(env.history->bytes());
  env.metrics.seal.add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began).count()));
  s.bytes_sealed_at = bytes;
  s.sealed_at = steady_clock::now();
}

/// Has everything before the target saved; the keeper says so when it has flushed.
void save(sealing_actor::pointer self, const std::shared_ptr<sealing_state>& s) {
  for (const auto& lane : s->lanes) self->send(lane, save_atom::value, s->target);
  if (s->flushing) return;
  s->flushing = true;
  self->request(s->keeper, flush_timeout, flush_atom::value)
      .then([s](bool) { s->flushing = false; }, [s](caf::error&) { s->flushing = false; });
}

/// Before which round nobody needs the log. What is pinned or held later needs only rounds that are
/// not sealed now.
persistence::round_number needless_before(const node_env& env) {
  const persistence::round_number hold = env.tail_hold;
  return std::min({env.sealed_before.load(), env.marked.load(), env.reads.lowest(),
                   env.backups.lowest(), hold == 0 ? env.sealed_before.load() : hold});
}

void drop(sealing_actor::pointer self, const std::shared_ptr<sealing_state>& s) {
  const auto before = needless_before(*s->env);
  if (s->dropping || before == s->dropped_before || before <= s->env->journal->first_round())
    return;
  s->dropping = true;
  s->dropped_before = before;
  self->request(s->journal, drop_timeout, drop_atom::value, std::uint64_t{before})
      .then(
          [s](bool good) {
            s->dropping = false;
            if (!good) s->dropped_before = 0;
          },
          [s](caf::error&) { s->dropping = false; });
}

void answer(sealing_state& s) {
  for (auto& promise : std::exchange(s.waiting, {})) promise.deliver(s.env->sealed_before.load());
}

void tick(sealing_actor::pointer self, const std::shared_ptr<sealing_state>& s) {
  auto& env = *s->env;
  if (!std::exchange(s->polite, true)) give_way();
  const auto now = steady_clock::now();
  const auto& options = env.options;
  const bool rest =
      env.draining || env.is_broken || env.disk_full ||
      (s->failed_at != steady_clock::time_point{} && now - s->failed_at < after_failure);
  if (!rest) {
    const bool much = env.log_bytes_now - s->bytes_sealed_at >= options.seal_bytes;
    const bool old = now - s->sealed_at >= options.seal_interval;
    if (old && s->target == 0 && env.sealed_before <= env.last_round)
      s->target = env.last_round + 1;
    if (s->target > env.saved_before) save(self, s);
    const bool saved = s->target != 0 && env.saved_before >= s->target;
    if (saved || (much && env.sealed_before < env.saved_before)) seal(*s);
    if (saved) s->target = 0;
    drop(self, s);
  }
  if ((s->target == 0 && !s->dropping) || rest) answer(*s);
  self->delayed_send(self, s->waiting.empty() ? tick_every : hurry, tick_atom::value);
}

caf::result<std::uint64_t> seal_all(sealing_actor::pointer self,
                                    const std::shared_ptr<sealing_state>& s) {
  auto promise = self->make_response_promise<std::uint64_t>();
  s->target = s->env->last_round + 1;
  s->failed_at = {};
  s->waiting.push_back(promise);
  save(self, s);
  return promise;
}

}  // namespace

sealing_actor::behavior_type sealing(sealing_actor::pointer self, node_env_ptr env,
                                     std::vector<lane_actor> lanes, keeper_actor keeper,
                                     journal_actor journal) {
  auto s = std::make_shared<sealing_state>();
  s->work.emplace(*env->journal, *env->state, *env->history,
                  [shared = env.get()](std::uint16_t, std::string_view merchant) {
                    return serving_owner(*shared, merchant);
                  });
  s->bytes_sealed_at = env->log_bytes_now;
  s->env = std::move(env);
  s->lanes = std::move(lanes);
  s->keeper = std::move(keeper);
  s->journal = std::move(journal);
  // What was saved before the start is sealed at once: nobody knows which merchants are in it.
  s->target = s->env->saved_before;
  self->delayed_send(self, std::chrono::milliseconds{0}, tick_atom::value);
  return {
      [self, s](tick_atom) { tick(self, s); },
      [self, s](flush_atom) { return seal_all(self, s); },
      [](run_atom, const task_ptr& task) { (*task)(); },
  };
}

}  // namespace tally::actors
