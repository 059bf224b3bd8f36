#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/replica_core.hpp"

namespace tally {

using namespace std::chrono_literals;

/// One copy, called `a`, whose peers, disk and store are the test. Effects are kept until the next
/// call of `forget`.
class replica_test : public testing::Test {
 protected:
  static constexpr replica_id a{1, 1}, b{2, 2}, c{3, 3}, fresh{9, 9};
  static constexpr std::uint64_t cluster = 7, incarnation = 5;
  static constexpr std::uint16_t shard = 42;

  static shard_config config_of(std::uint64_t version, std::uint32_t epoch, replica_id leader,
                                std::vector<replica_id> in_sync = {a, b, c}) {
    shard_config made;
    made.cluster = cluster;
    made.version = version;
    made.epoch = epoch;
    made.leader = leader;
    made.incarnation = leader == a ? incarnation : 1;
    made.in_sync = std::move(in_sync);
    made.copies = {{a, {1}}, {b, {2}}, {c, {3}}};
    return made;
  }
  static recovered_state healthy() {
    recovered_state found;
    found.cluster = cluster;
    found.shard = shard;
    found.node = {1};
    found.incarnation = incarnation;
    found.id = a;
    found.fresh_id = fresh;
    return found;
  }
  /// Chunks of one event each that follow `from`, of leader epoch `epoch`.
  static std::vector<log_chunk> chunks(log_position from, std::uint32_t epoch, unsigned count,
                                       char text = 'x') {
    std::vector<log_chunk> made;
    for (; count > 0; --count) {
      auto body = std::make_shared<chunk>();
      body->payload = text;
      auto& h = body->header;
      h.shard = shard;
      h.epoch = epoch;
      h.base = from.offset + 1;
      h.count = 1;
      h.size = 1;
      h.crc = static_cast<std::uint32_t>(text);
      h.stamped_at = time_from_ms(1'000);
      h.chain = next_chain(from.chain, h);
      from = end_of(h);
      made.push_back({h, body});
    }
    return made;
  }
  static log_position end_of(const chunk_header& h) {
    return {h.last(), h.epoch, h.chain, h.stamped_at};
  }
  static log_position end_of(const std::vector<log_chunk>& log) {
    return log.empty() ? log_position{} : end_of(log.back().header);
  }

  void start(const recovered_state& found = healthy()) {
    core_.emplace(found, options_, now_);
    tick();
  }
  void feed(replica_event event) {
    for (auto& e : core_->step(now_, std::move(event))) out_.push_back(std::move(e));
  }
  void tick() { feed(ticked{}); }
  /// Time passes as it does for a node: a tick every 50 ms.
  void pass(steady_time time) {
    for (; time > 0us; time -= 50ms) {
      const auto part = std::min<steady_time>(time, 50ms);
      now_.steady += part;
      now_.wall += std::chrono::duration_cast<std::chrono::milliseconds>(part);
      tick();
    }
  }
  void see(const shard_config& config, std::uint64_t request = 0) {
    feed(config_seen{request, config});
  }
  /// Answers the newest read of the store.
  void read_gives(const shard_config& config) { see(config, last<read_config>().request); }
  void hear(replica_id from, std::uint32_t epoch, decltype(replica_message::body) body) {
    feed(message_received{{cluster, shard, epoch, from, 1, std::move(body)}});
  }
  void append_from(replica_id leader, std::uint32_t epoch, const log_position& prev,
                   std::vector<log_chunk> what, std::uint64_t commit = 0) {
    const auto end = what.empty() ? prev.offset : what.back().header.last();
    hear(leader, epoch,
         append_message{.config_version = core_->config().version,
                        .prev = prev,
                        .chunks = std::move(what),
                        .end = end,
                        .commit = commit,
                        .acked = 0,
                        .sent_at = now_.steady});
  }
  void ack_from(replica_id follower, std::uint64_t match) {
    hear(follower, core_->epoch(), ack_message{match, now_.steady, now_.wall});
  }
  void batch(std::uint64_t ticket) {
    auto body = std::make_shared<chunk>();
    body->payload = "p";
    body->header.count = body->header.size = 1;
    feed(append_requested{ticket, body});
  }
  /// Everything written so far reaches the disk.
  void sync() {
    std::uint64_t newest = 0;
    const auto see_operation = [&](std::uint64_t operation) {
      newest = std::max(newest, operation);
    };
    for (const auto& e : out_) {
      if (const auto* w = std::get_if<append_chunks>(&e)) see_operation(w->operation);
      if (const auto* w = std::get_if<truncate_log>(&e)) see_operation(w->operation);
      if (const auto* w = std::get_if<persist_promise>(&e)) see_operation(w->operation);
      if (const auto* w = std::get_if<persist_identity>(&e)) see_operation(w->operation);
      if (const auto* w = std::get_if<install_copy>(&e)) see_operation(w->operation);
    }
    if (newest > 0) feed(synced{newest});
  }
  void answer_swap(swap_outcome outcome, std::uint64_t version = 0) {
    feed(swap_answered{last<compare_and_swap>().request, outcome, version});
  }
  /// Makes `a` the leader of epoch 1 with version 2 of the configuration, everything on disk.
  void lead(const std::vector<replica_id>& in_sync = {a, b, c}) {
    start();
    see(config_of(1, 0, {}, in_sync));
    tick();
    answer_swap(swap_outcome::done, 2);
    sync();
    ASSERT_EQ(core_->role(), replica_role::leader);
    for (const auto id : in_sync) {
      if (id != a) ack_from(id, 0);
    }
    forget();
  }
  /// Makes `a` a follower of `b` in epoch 1 with `log` on disk.
  void follow(const std::vector<log_chunk>& log = {}) {
    start();
    see(config_of(2, 1, b));
    append_from(b, 1, {}, log);
    sync();
    ASSERT_EQ(core_->role(), replica_role::follower);
    forget();
  }

  void forget() { out_.clear(); }
  template <class T>
  [[nodiscard]] std::vector<T> all() const {
    std::vector<T> found;
    for (const auto& e : out_) {
      if (const auto* x = std::get_if<T>(&e)) found.push_back(*x);
    }
    return found;
  }
  template <class T>
  [[nodiscard]] T last() const {
    const auto found = all<T>();
    EXPECT_FALSE(found.empty()) << "no such effect";
    return found.empty() ? T{} : found.back();
  }
  /// Bodies of type T that were sent to `to`.
  template <class T>
  [[nodiscard]] std::vector<T> sent(replica_id to) const {
    std::vector<T> found;
    for (const auto& e : all<send_message>()) {
      const auto* body = std::get_if<T>(&e.message.body);
      if (body != nullptr && e.to == to) found.push_back(*body);
    }
    return found;
  }
  [[nodiscard]] std::vector<std::uint64_t> tickets(append_outcome outcome) const {
    std::vector<std::uint64_t> found;
    for (const auto& e : all<completed>()) {
      if (e.outcome == outcome) found.insert(found.end(), e.tickets.begin(), e.tickets.end());
    }
    return found;
  }

  replica_options options_;
  instant now_{1'000s, time_from_ms(1'700'000'000'000)};
  std::optional<replica_core> core_;
  std::vector<replica_effect> out_;
};

}  // namespace tally
