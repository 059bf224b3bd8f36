#include "cluster/forwarding.hpp"

#include <map>

#include "actors/gateway.hpp"
#include "domain/bytes.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/record_list.hpp"

namespace tally::cluster {
namespace {

using actors::outcome;
using actors::submission;
using actors::submission_ptr;
using std::chrono::steady_clock;
using shared_ptr = std::shared_ptr<replicator::shared>;

constexpr std::uint8_t forward_version = 1;

void after_a_pause(const shared_ptr& shared, std::function<void()> task) {
  const std::scoped_lock hold{shared->mutex};
  if (!shared->actor) return;
  caf::delayed_anon_send(shared->actor, shared->options.retry_pause, actors::run_atom::value,
                         std::make_shared<std::function<void()>>(std::move(task)));
}

/// What became of one event.
struct fate {
  outcome what = outcome::unavailable;
  std::uint8_t code = 0;
  std::uint32_t retry_after_ms = 0;
  std::uint64_t offset = 0;
};

/// Request: version 1, varint number of events, each with a varint length.
std::string encode_events(const submission& events, const std::vector<std::uint32_t>& positions) {
  std::string out;
  byte_writer to{out};
  to.u8(forward_version);
  to.varint(positions.size());
  for (const auto position : positions) to.text(events.bytes_of(events.events[position]));
  return out;
}

/// Answer: version 1, then per event outcome 1, code 1, varint retry_after_ms, varint offset.
std::string encode_fates(const submission& events) {
  std::string out;
  byte_writer to{out};
  to.u8(forward_version);
  for (const auto& e : events.events) {
    const auto what = e.now();
    to.u8(static_cast<std::uint8_t>(what));
    to.u8(what == outcome::rejected ? e.code : std::uint8_t{0});
    to.varint(e.retry_after_ms);
    to.varint(e.offset);
  }
  return out;
}

result<std::vector<fate>> decode_fates(std::string_view bytes, std::size_t count) {
  byte_reader in{bytes};
  if (in.u8() != forward_version) return failure{errc::unsupported, "events: unknown answer"};
  std::vector<fate> fates(count);
  for (auto& f : fates) {
    const auto what = in.u8();
    if (what > static_cast<std::uint8_t>(outcome::unavailable))
      return failure{errc::corrupt_record, "events: unknown outcome"};
    f.what = static_cast<outcome>(what);
    f.code = in.u8();
    f.retry_after_ms = static_cast<std::uint32_t>(in.varint());
    f.offset = in.varint();
  }
  if (!in.ok() || !in.at_end()) return failure{errc::corrupt_record, "events: torn answer"};
  return fates;
}

void add_event(submission& to, std::string_view bytes, std::uint64_t merchant) {
  submission::entry entry;
  entry.begin = static_cast<std::uint32_t>(to.bytes.size());
  entry.size = static_cast<std::uint32_t>(bytes.size());
  entry.merchant = merchant;
  to.bytes.append(bytes);
  to.events.push_back(entry);
}

void take_here(const shared_ptr& shared, const submission_ptr& events) {
  events->seal();
  if (actors::takes(*shared->env, *events)) actors::hand_to_lanes(events, shared->lanes);
}

/// One submission and where its events are.
class forwarding : public std::enable_shared_from_this<forwarding> {
 public:
  forwarding(shared_ptr shared, submission_ptr events)
      : shared_{std::move(shared)},
        events_{std::move(events)},
        until_{steady_clock::now() + shared_->options.forward_timeout} {}

  void send(const std::vector<std::uint32_t>& positions) {
    std::map<std::uint32_t, std::vector<std::uint32_t>> by_leader;
    for (const auto position : positions) {
      const auto shard = shard_of(events_->events[position].merchant);
      by_leader[shared_->seen[shard].leader.load(std::memory_order_acquire)].push_back(position);
    }
    for (auto& [leader, part] : by_leader) {
      if (leader == 0) {
        try_again(std::move(part));
      } else if (leader == shared_->options.node.value) {
        send_here(std::move(part));
      } else {
        send_to({leader}, std::move(part));
      }
    }
  }

 private:
  void send_here(std::vector<std::uint32_t> positions) {
    auto part = std::make_shared<submission>();
    part->requests = events_->requests;
    for (const auto position : positions) {
      const auto& e = events_->events[position];
      add_event(*part, events_->bytes_of(e), e.merchant);
    }
    part->on_done = [self = shared_from_this(), positions = std::move(positions), of = part.get()] {
      std::vector<fate> fates;
      for (const auto& e : of->events) {
        const auto what = e.now();
        fates.push_back({what, what == outcome::rejected ? e.code : std::uint8_t{0},
                         e.retry_after_ms, e.offset});
      }
      self->settle(positions, fates);
    };
    take_here(shared_, part);
  }

  void send_to(node_id leader, std::vector<std::uint32_t> positions) {
    auto body = encode_events(*events_, positions);
    const auto bytes = body.size();
    if (shared_->forwarded_bytes.fetch_add(bytes) + bytes > shared_->options.forward_bytes_max) {
      shared_->forwarded_bytes -= bytes;
      return settle(positions, std::vector<fate>(positions.size()), false);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until_ - steady_clock::now());
    shared_->ports.ask(
        leader, events_request, std::move(body), std::max(left, shared_->options.retry_pause),
        [self = shared_from_this(), positions = std::move(positions), bytes](auto answer) mutable {
          self->shared_->forwarded_bytes -= bytes;
          auto fates = answer ? decode_fates(*answer, positions.size())
                              : result<std::vector<fate>>{answer.error()};
          if (!fates) return self->try_again(std::move(positions));
          self->settle(positions, *fates);
        });
  }

  void try_again(std::vector<std::uint32_t> positions) {
    if (steady_clock::now() >= until_)
      return settle(positions, std::vector<fate>(positions.size()), false);
    after_a_pause(shared_, [self = shared_from_this(), positions = std::move(positions)] {
      self->send(positions);
    });
  }

  /// Without `may_retry` what is unavailable stays so.
  void settle(const std::vector<std::uint32_t>& positions, const std::vector<fate>& fates,
              bool may_retry = true) {
    std::vector<std::uint32_t> again;
    std::uint32_t settled = 0, count = 0;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      if (fates[i].what == outcome::unavailable && may_retry) {
        again.push_back(positions[i]);
        continue;
      }
      ++count;
      if (fates[i].what == outcome::pending) continue;  // durable, not counted yet
      auto& e = events_->events[positions[i]];
      e.offset = fates[i].offset;
      e.retry_after_ms = fates[i].retry_after_ms;
      e.set(fates[i].what, fates[i].code);
      ++settled;
    }
    events_->settle(settled);
    if (events_->commit(count)) events_->answer_durable();
    if (!again.empty()) try_again(std::move(again));
  }

  shared_ptr shared_;
  submission_ptr events_;
  steady_clock::time_point until_;
};

/// Version 1, merchant, event, records.
std::string encode_change(const actors::registry_change& what) {
  std::string out;
  byte_writer to{out};
  to.u8(forward_version);
  to.text(what.merchant);
  to.text(what.event);
  to.text(persistence::encode_records(what.records));
  return out;
}

result<actors::registry_change> decode_change(std::string_view bytes) {
  byte_reader in{bytes};
  if (in.u8() != forward_version) return failure{errc::unsupported, "change: unknown version"};
  actors::registry_change what;
  what.merchant = in.text();
  what.event = in.text();
  auto records = persistence::decode_records(in.text());
  if (!in.ok() || !in.at_end()) return failure{errc::corrupt_record, "change: torn"};
  if (!records) return records.error();
  what.records = std::move(*records);
  return what;
}

std::uint16_t shard_of_change(const actors::registry_change& what) {
  return shard_of(merchant_hash(what.merchant.empty() ? actors::platform_merchant
                                                      : std::string_view{what.merchant}));
}

void send_change(const shared_ptr& shared, const actors::registry_change_ptr& what);

void change_again(const shared_ptr& shared, const actors::registry_change_ptr& what,
                  const failure& why) {
  if (steady_clock::now() >= what->until) return what->then(why);
  after_a_pause(shared, [shared, what] { send_change(shared, what); });
}

void send_change(const shared_ptr& shared, const actors::registry_change_ptr& what) {
  const auto shard = shard_of_change(*what);
  const node_id leader{shared->seen[shard].leader.load(std::memory_order_acquire)};
  if (leader == shared->options.node && shared->seen[shard].is_led) {
    caf::anon_send(shared->lanes[lane_of(shard)], actors::run_atom::value, what);
    return;
  }
  if (leader.value == 0 || leader == shared->options.node)
    return change_again(shared, what, {errc::unavailable, "nobody leads the merchant's shard now"});
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(what->until - steady_clock::now());
  shared->ports.ask(leader, change_request, encode_change(*what),
                    std::max(left, shared->options.retry_pause),
                    [shared, what, shard](const result<std::string>& answer) {
                      if (!answer) return change_again(shared, what, answer.error());
                      byte_reader in{*answer};
                      const auto offset = in.u64be();
                      if (!in.ok()) return what->then(failure{errc::corrupt_record, "torn answer"});
                      shared->when_kept(shard, offset, what->then);
                    });
}

}  // namespace

void forward_events(const shared_ptr& shared, submission_ptr events) {
  std::vector<std::uint32_t> all(events->events.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  std::make_shared<forwarding>(shared, std::move(events))->send(all);
}

void forward_change(const shared_ptr& shared, actors::registry_change_ptr what) {
  if (what->until == steady_clock::time_point{})
    what->until = steady_clock::now() + shared->options.forward_timeout;
  // The lane that asks has just said that it does not lead: others may know by now.
  change_again(shared, what, {errc::unavailable, "another node leads the merchant's shard"});
}

void answer_events(const shared_ptr& shared, std::string_view body,
                   std::function<void(result<std::string>)> reply) {
  byte_reader in{body};
  const auto version = in.u8();
  const auto count = in.varint();
  auto events = std::make_shared<submission>();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto bytes = in.text();
    if (in.ok()) add_event(*events, bytes, merchant_hash(persistence::peek_merchant(bytes)));
  }
  if (version != forward_version || !in.ok() || !in.at_end() || events->events.empty())
    return reply(failure{errc::corrupt_record, "events: torn request"});
  events->on_done = [of = events.get(), reply = std::move(reply)] { reply(encode_fates(*of)); };
  take_here(shared, events);
}

void answer_change(const shared_ptr& shared, std::string_view body,
                   std::function<void(result<std::string>)> reply) {
  auto decoded = decode_change(body);
  if (!decoded) return reply(decoded.error());
  const auto shard = shard_of_change(*decoded);
  if (!shared->seen[shard].is_led)
    return reply(failure{errc::unavailable, "another node leads the merchant's shard"});
  auto what = std::make_shared<actors::registry_change>(std::move(*decoded));
  what->then = [shared, shard, reply = std::move(reply)](const status& made) {
    if (!made) return reply(made.error());
    shared->commit_of(shard, [reply](std::uint64_t offset) {
      std::string answer;
      byte_writer{answer}.u64be(offset);
      reply(std::move(answer));
    });
  };
  caf::anon_send(shared->lanes[lane_of(shard)], actors::run_atom::value,
                 actors::registry_change_ptr{std::move(what)});
}

}  // namespace tally::cluster
