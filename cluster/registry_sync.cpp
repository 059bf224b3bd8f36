#include "cluster/registry_sync.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

#include "actors/replication.hpp"
#include "cluster/replicator_state.hpp"
#include "domain/bytes.hpp"
#include "domain/shard.hpp"
#include "persistence/record_list.hpp"

namespace tally::cluster {
namespace {

using persistence::copied_registry;
using std::chrono::steady_clock;

constexpr std::uint8_t version = 1;
constexpr auto known_key = "replica/registries";

std::size_t bytes_of(const copied_registry& all) {
  std::size_t bytes = 0;
  for (const auto* list : {&all.merchants, &all.platform})
    for (const auto& r : *list) bytes += r.key.size() + r.value.size();
  return bytes;
}

}  // namespace

bool is_platforms(std::uint16_t shard) {
  return shard == shard_of(merchant_hash(actors::platform_merchant));
}

void registry_ring::begin_at(std::uint64_t offset) {
  from_ = offset;
  changes_.clear();
}

void registry_ring::add(std::uint64_t offset, bool of_platform, persistence::record what,
                        std::size_t max) {
  changes_.push_back({offset, of_platform, std::move(what)});
  for (; changes_.size() > max; changes_.pop_front()) from_ = changes_.front().offset;
}

bool registry_ring::since(std::uint64_t offset, copied_registry& news) const {
  if (offset < from_) return false;
  for (const auto& c : changes_)
    if (c.offset > offset) (c.of_platform ? news.platform : news.merchants).push_back(c.what);
  return true;
}

std::string encode_wishes(const std::vector<registry_wish>& wishes) {
  std::string out;
  byte_writer to{out};
  to.u8(version);
  to.varint(wishes.size());
  for (const auto& w : wishes) {
    to.u16be(w.shard);
    to.u64be(w.known);
  }
  return out;
}

result<std::vector<registry_wish>> decode_wishes(std::string_view bytes) {
  byte_reader in{bytes};
  if (in.u8() != version) return failure{errc::unsupported, "registry: unknown version"};
  const auto count = in.varint();
  std::vector<registry_wish> wishes;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    registry_wish w;
    w.shard = in.u16be();
    w.known = in.u64be();
    wishes.push_back(w);
  }
  const bool is_known =
      std::ranges::all_of(wishes, [](const auto& w) { return w.shard < shard_count; });
  if (!in.ok() || !in.at_end() || !is_known)
    return failure{errc::corrupt_record, "registry: torn request"};
  return wishes;
}

std::string encode_news(const std::vector<registry_news>& news) {
  std::string out;
  byte_writer to{out};
  to.u8(version);
  for (const auto& n : news) {
    to.u16be(n.shard);
    to.u64be(n.known);
    to.u8(n.is_whole ? 1 : 0);
    to.text(persistence::encode_records(n.records.merchants));
    to.text(persistence::encode_records(n.records.platform));
  }
  return out;
}

result<std::vector<registry_news>> decode_news(std::string_view bytes) {
  byte_reader in{bytes};
  if (in.u8() != version) return failure{errc::unsupported, "registry: unknown version"};
  std::vector<registry_news> news;
  while (in.ok() && !in.at_end()) {
    registry_news n;
    n.shard = in.u16be();
    n.known = in.u64be();
    n.is_whole = in.u8() != 0;
    auto merchants = persistence::decode_records(in.text());
    auto platform = persistence::decode_records(in.text());
    if (!in.ok() || !merchants || !platform || n.shard >= shard_count)
      return failure{errc::corrupt_record, "registry: torn answer"};
    n.records = {std::move(*merchants), std::move(*platform)};
    news.push_back(std::move(n));
  }
  return news;
}

// ---- at the leader

registry_answer replicator_state::registries_since(const std::vector<registry_wish>& wishes) const {
  registry_answer answer;
  for (const auto& w : wishes) {
    if (w.shard >= copies_.size()) continue;
    const auto& copy = copies_[w.shard];
    const auto commit = copy.core->commit();
    if (copy.core->role() != replica_role::leader || !copy.is_open || commit < w.known) continue;
    registry_news n{w.shard, commit, false, {}};
    if (!copy.records.since(w.known, n.records))
      answer.whole.push_back({w.shard, commit});
    else if (commit > w.known)
      answer.news.push_back(std::move(n));
  }
  return answer;
}

void answer_registry(const std::shared_ptr<replicator::shared>& shared, std::string_view body,
                     std::function<void(result<std::string>)> reply) {
  auto wishes = decode_wishes(body);
  if (!wishes) return reply(wishes.error());
  shared->post([s = shared.get(), wishes = std::move(*wishes), reply = std::move(reply)] {
    auto answer = s->state->registries_since(wishes);
    if (answer.whole.empty()) return reply(encode_news(answer.news));
    s->env->run_io([s, answer = std::move(answer), reply]() mutable {
      std::size_t bytes = 0;
      // What does not fit is asked for again.
      for (const auto& w : answer.whole) {
        if (bytes >= s->options.registry_answer_bytes) break;
        auto all = persistence::list_registry(*s->env->journal, w.shard, is_platforms(w.shard));
        if (!all) return reply(all.error());
        bytes += bytes_of(*all);
        answer.news.push_back({w.shard, w.known, true, std::move(*all)});
      }
      reply(encode_news(answer.news));
    });
  });
}

// ---- at the others

bool replicator_state::has_copy(std::uint16_t shard) const {
  const auto& core = *copies_[shard].core;
  return core.config().find_copy(core.id()) != nullptr;
}

void replicator_state::load_registries_known() {
  const auto text = env_->journal->get_meta(known_key);
  if (!text) return;  // then all records come
  byte_reader in{*text};
  for (auto& copy : copies_) copy.registry_known = in.u64be();
}

void replicator_state::ask_for_registries() {
  registries_asked_at_ = steady_clock::now();
  std::map<node_id, std::vector<registry_wish>> wishes;
  for (std::size_t n = 0; n < copies_.size(); ++n) {
    const auto shard = static_cast<std::uint16_t>(n);
    auto& copy = copies_[shard];
    const node_id leader{shared_->seen[shard].leader.load(std::memory_order_relaxed)};
    const bool is_here = copy.core->config().version == 0 || has_copy(shard);
    if (is_here || leader.value == 0 || leader == shared_->options.node) continue;
    // A copy that was here knew all that it counted.
    if (copy.told != 0)
      copy.registry_known = std::max(copy.registry_known, copy.chunks[copy.told - 1].header.last());
    wishes[leader].push_back({shard, copy.registry_known});
  }
  for (const auto& [leader, list] : wishes)
    shared_->ports.ask(leader, registry_request, encode_wishes(list),
                       shared_->options.forward_timeout,
                       [s = shared_, this](const result<std::string>& answer) {
                         auto news = answer ? decode_news(*answer)
                                            : result<std::vector<registry_news>>{answer.error()};
                         if (!news) {
                           spdlog::debug("registry_not_told reason={}", news.error().text());
                           return;
                         }
                         s->post([this, news = std::move(*news)] { take_registries(news); });
                       });
}

void replicator_state::take_registries(const std::vector<registry_news>& news) {
  bool is_changed = false;
  for (const auto& n : news) {
    auto& copy = copies_[n.shard];
    const bool is_due =
        std::ranges::any_of(registries_due_, [&](const auto& due) { return due.first == n.shard; });
    if (is_due || has_copy(n.shard) || n.known < copy.registry_known) continue;
    auto records = n.is_whole ? persistence::changes_to(*env_->journal, n.shard,
                                                        is_platforms(n.shard), n.records)
                              : result<copied_registry>{n.records};
    if (!records) {
      spdlog::error("registry_not_read shard={} reason={}", n.shard, records.error().text());
      continue;
    }
    put_records(*records);
    is_changed =
        is_changed || n.is_whole || !records->merchants.empty() || !records->platform.empty();
    registries_due_.emplace_back(n.shard, n.known);
  }
  if (is_changed) {
    std::string known;
    byte_writer to{known};
    const std::map<std::uint16_t, std::uint64_t> fresh{registries_due_.begin(),
                                                       registries_due_.end()};
    for (std::size_t n = 0; n < copies_.size(); ++n) {
      const auto found = fresh.find(static_cast<std::uint16_t>(n));
      to.u64be(found != fresh.end() ? found->second : copies_[n].registry_known);
    }
    next_.meta.push_back({known_key, std::move(known)});
    return schedule_flush();
  }
  // Only newer events: nothing that would have to be on disk.
  if (!next_.merchants.empty() || !next_.meta.empty()) return;
  for (const auto& [shard, known] : std::exchange(registries_due_, {}))
    copies_[shard].registry_known = known;
  answer_waiting();
}

}  // namespace tally::cluster
