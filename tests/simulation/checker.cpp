#include "tests/simulation/checker.hpp"

#include <algorithm>
#include <charconv>

namespace tally::simulation {

std::uint64_t checker::ticket_of(const log_chunk& c) {
  std::uint64_t ticket = 0;
  const auto& text = c.body->payload;
  std::from_chars(text.data(), text.data() + text.size(), ticket);
  return ticket;
}

void checker::fail(std::string what) {
  if (violation_.empty()) violation_ = std::move(what);
}

void checker::leader_started(std::uint32_t epoch, node_id node, std::uint64_t incarnation) {
  const auto [found, is_new] = leaders_.try_emplace(epoch, node, incarnation);
  if (!is_new) fail("epoch " + std::to_string(epoch) + " has two leaders");
}

bool checker::is_committed(const log_chunk& c) const {
  const auto found = chains_.find(c.header.last());
  return found != chains_.end() && found->second == c.header.chain;
}

void checker::committed(const log_chunk& c, bool by_leader) {
  const auto last = c.header.last();
  const auto found = chains_.find(last);
  if (found != chains_.end()) {
    if (found->second != c.header.chain) {
      fail("offset " + std::to_string(last) + " is committed with two contents");
    }
    return;
  }
  if (!by_leader) return fail("offset " + std::to_string(last) + " is committed by no leader");
  chains_.emplace(last, c.header.chain);
  const auto [place, is_new] = offsets_.try_emplace(ticket_of(c), last);
  if (!is_new)
    fail("a batch is committed at " + std::to_string(place->second) + " and " +
         std::to_string(last));
}

void checker::acknowledged(std::uint64_t ticket) {
  const auto found = offsets_.find(ticket);
  if (found == offsets_.end()) return fail("a batch is acknowledged that is not committed");
  acknowledged_.insert(ticket);
  acknowledged_end_ = std::max(acknowledged_end_, found->second);
}

bool checker::holds_all_committed(const std::vector<log_chunk>& log) const {
  if (chains_.empty()) return true;
  const auto& [last, chain] = *chains_.rbegin();
  const auto found =
      std::ranges::lower_bound(log, last, {}, [](const log_chunk& c) { return c.header.last(); });
  return found != log.end() && found->header.chain == chain;
}

void checker::truncated(const log_chunk& c) {
  if (is_committed(c))
    fail("committed offset " + std::to_string(c.header.last()) + " is truncated");
}

void checker::read(std::uint64_t offset) {
  if (offset >= acknowledged_end_) return;
  fail("a read sees " + std::to_string(offset) + " after " + std::to_string(acknowledged_end_) +
       " was acknowledged");
}

void checker::final_log(const std::vector<log_chunk>& log) {
  std::map<std::uint64_t, std::uint64_t> found;
  log_position before;
  for (const auto& c : log) {
    const auto& h = c.header;
    const bool follows = h.base == before.offset + 1 && h.epoch >= before.epoch &&
                         h.chain == next_chain(before.chain, h) &&
                         h.stamped_at >= before.stamped_at;
    if (!follows) fail("the log is broken at " + std::to_string(h.base));
    before = {h.last(), h.epoch, h.chain, h.stamped_at};
    if (!found.try_emplace(ticket_of(c), h.last()).second) fail("the log holds a batch twice");
  }
  for (const auto ticket : acknowledged_) {
    const auto at = found.find(ticket);
    if (at == found.end()) {
      fail("acknowledged offset " + std::to_string(offsets_[ticket]) + " is lost");
    } else if (at->second != offsets_[ticket]) {
      fail("acknowledged offset " + std::to_string(offsets_[ticket]) + " moved");
    }
  }
  for (const auto& [last, chain] : chains_) {
    if (last > before.offset) fail("committed offset " + std::to_string(last) + " is lost");
  }
}

void checker::equal_logs(const std::vector<log_chunk>& a, const std::vector<log_chunk>& b) {
  if (a.size() != b.size()) return fail("copies differ in length after healing");
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same =
        a[i].header.chain == b[i].header.chain && a[i].body->payload == b[i].body->payload;
    if (!same) return fail("copies differ after healing at " + std::to_string(a[i].header.base));
  }
}

}  // namespace tally::simulation
