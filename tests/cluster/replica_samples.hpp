#pragma once

#include <limits>
#include <random>
#include <sstream>
#include <string>

#include "domain/replica_messages.hpp"
#include "persistence/chunk.hpp"

namespace tally::cluster {

/// A chunk as a leader sends it.
inline log_chunk sample_chunk(std::uint16_t shard, std::uint64_t base, std::string payload) {
  auto made = std::make_shared<chunk>();
  made->header = {shard, 3, base, 2, time_from_ms(1'700'000'000'000), 0, 0, 0};
  made->payload = std::move(payload);
  persistence::seal(*made, 77);
  return {made->header, made};
}

/// Every field of a message as text, so that a test sees which one differs.
class message_text {
 public:
  static std::string of(const replica_message& m) {
    message_text t;
    t.put(m.cluster, m.shard, m.epoch, m.incarnation, m.body.index());
    t.put(m.from);
    std::visit([&](const auto& body) { t.put(body); }, m.body);
    return t.out_.str();
  }

 private:
  template <class... Numbers>
  requires(std::is_arithmetic_v<Numbers>&&...) void put(Numbers... numbers) {
    ((out_ << +numbers << ' '), ...);
  }
  void put(const replica_id& id) { put(id.high, id.low); }
  void put(const log_position& p) { put(p.offset, p.epoch, p.chain, to_ms(p.stamped_at)); }
  void put(const log_chunk& c) {
    const auto& h = c.header;
    put(h.shard, h.epoch, h.base, h.count, to_ms(h.stamped_at), h.size, h.crc, h.chain);
    put(c.body->header.shard, c.body->header.base, c.body->header.chain);
    out_ << '"' << c.body->payload << "\" ";
  }
  void put(const append_message& a) {
    put(a.config_version, a.end, a.commit, a.acked, a.sent_at.count(), a.chunks.size());
    put(a.prev);
    for (const auto& c : a.chunks) put(c);
  }
  void put(const ack_message& a) { put(a.match, a.sent_at.count(), to_ms(a.clock)); }
  void put(const nack_message& n) {
    put(n.hint);
    put(n.sent_at.count());
  }
  void put(const stale_message&) {}
  void put(const handover_message& h) {
    const auto& c = h.config;
    put(c.cluster, c.version, c.epoch, c.incarnation, c.in_sync.size(), c.copies.size());
    put(c.leader);
    for (const auto& id : c.in_sync) put(id);
    for (const auto& copy : c.copies) {
      put(copy.id);
      put(copy.node.value);
    }
  }
  void put(const pull_message& p) { put(p.end); }
  void put(const copy_needed_message& c) { put(c.start); }
  void put(const join_message& j) { put(j.node.value); }
  void put(const leave_message&) {}

  std::ostringstream out_;
};

/// Messages of every kind with numbers of every size; the same for the same seed.
class message_maker {
 public:
  explicit message_maker(std::uint64_t seed) : random_{seed} {}

  replica_message next() {
    replica_message m;
    m.cluster = number<std::uint64_t>();
    m.shard = number<std::uint16_t>();
    m.epoch = number<std::uint32_t>();
    m.from = id();
    m.incarnation = number<std::uint64_t>();
    fill(m);
    return m;
  }

 private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  template <class Number>
  Number number() {
    constexpr auto all = std::numeric_limits<Number>::max();
    const auto wide = random_();
    switch (below(5)) {
      case 0:
        return 0;
      case 1:
        return all;
      case 2:
        return static_cast<Number>(wide % 130);
      default:
        return static_cast<Number>(wide);
    }
  }
  replica_id id() {
    const auto high = number<std::uint64_t>();
    return {high, number<std::uint64_t>()};
  }
  event_time time() { return time_from_ms(number<std::int64_t>()); }
  steady_time steady() { return steady_time{number<std::int64_t>()}; }
  log_position position() {
    log_position p{number<std::uint64_t>(), number<std::uint32_t>(), number<std::uint64_t>(), {}};
    p.stamped_at = time();
    return p;
  }
  append_message append(std::uint16_t shard) {
    append_message a{.config_version = number<std::uint64_t>(),
                     .prev = position(),
                     .chunks = {},
                     .end = number<std::uint64_t>(),
                     .commit = number<std::uint64_t>(),
                     .acked = number<std::uint64_t>(),
                     .sent_at = steady()};
    for (auto left = below(4); left > 0; --left) {
      std::string payload(below(300), '\0');
      for (auto& c : payload) c = static_cast<char>(random_());
      a.chunks.push_back(sample_chunk(shard, 1 + below(1'000), payload));
    }
    return a;
  }
  shard_config config() {
    shard_config c{.cluster = number<std::uint64_t>(),
                   .version = number<std::uint64_t>(),
                   .epoch = number<std::uint32_t>(),
                   .leader = id(),
                   .incarnation = number<std::uint64_t>(),
                   .in_sync = {},
                   .copies = {}};
    for (auto left = below(5); left > 0; --left) c.in_sync.push_back(id());
    for (auto left = below(5); left > 0; --left)
      c.copies.push_back({id(), node_id{number<std::uint32_t>()}});
    return c;
  }
  void fill(replica_message& m) {
    switch (below(9)) {
      case 0:
        m.body = append(m.shard);
        return;
      case 1:
        m.body = ack_message{number<std::uint64_t>(), steady(), time()};
        return;
      case 2:
        m.body = nack_message{position(), steady()};
        return;
      case 3:
        m.body = stale_message{};
        return;
      case 4:
        m.body = handover_message{config()};
        return;
      case 5:
        m.body = pull_message{number<std::uint64_t>()};
        return;
      case 6:
        m.body = copy_needed_message{position()};
        return;
      case 7:
        m.body = join_message{node_id{number<std::uint32_t>()}};
        return;
      default:
        m.body = leave_message{};
    }
  }

  std::mt19937_64 random_;
};

}  // namespace tally::cluster
