#include "domain/replica_log.hpp"

#include <algorithm>

#include "domain/ensure.hpp"

namespace tally {
namespace {

log_position position_of(const chunk_header& header) {
  return {header.last(), header.epoch, header.chain, header.stamped_at};
}

}  // namespace

bool replica_log::recover(const log_position& start, const std::vector<chunk_header>& chunks) {
  start_ = start;
  for (const auto& header : chunks) {
    const auto before = end();
    if (header.count == 0 || header.base != before.offset + 1 || header.epoch < before.epoch ||
        header.chain != next_chain(before.chain, header)) {
      return false;
    }
    append({header, nullptr}, 0);
  }
  mark_synced(0);
  return true;
}

log_position replica_log::end() const {
  return entries_.empty() ? start_ : position_of(entries_.back().header);
}

std::uint64_t replica_log::synced_end() const {
  return synced_ == 0 ? start_.offset : entries_[synced_ - 1].header.last();
}

std::size_t replica_log::index_after(std::uint64_t offset) const {
  const auto found = std::ranges::upper_bound(entries_, offset, {},
                                              [](const entry& e) { return e.header.last(); });
  return static_cast<std::size_t>(found - entries_.begin());
}

log_position replica_log::boundary_below(std::uint64_t offset) const {
  const auto index = index_after(offset);
  return index == 0 ? start_ : position_of(entries_[index - 1].header);
}

std::optional<log_position> replica_log::at(std::uint64_t offset) const {
  const auto below = boundary_below(offset);
  if (below.offset != offset) return std::nullopt;
  return below;
}

log_position replica_log::boundary_below(std::uint64_t offset, std::uint32_t epoch) const {
  auto index = index_after(offset);
  while (index > 0 && entries_[index - 1].header.epoch > epoch) --index;
  return index == 0 ? start_ : position_of(entries_[index - 1].header);
}

bool replica_log::contains(const chunk_header& header) const {
  const auto found = at(header.last());
  return found && found->chain == header.chain && found->epoch == header.epoch;
}

std::uint64_t replica_log::bytes_through(std::uint64_t offset) const {
  const auto index = index_after(offset);
  if (index > 0) return entries_[index - 1].bytes_through;
  return entries_.empty() ? 0 : entries_[0].bytes_through - entries_[0].header.size;
}

std::uint64_t replica_log::bytes_between(std::uint64_t low, std::uint64_t high) const {
  return low >= high ? 0 : bytes_through(high) - bytes_through(low);
}

void replica_log::append(log_chunk chunk, std::uint64_t operation) {
  ensure(chunk.header.base == end().offset + 1, "chunk does not follow the log");
  const auto before = entries_.empty() ? 0 : entries_.back().bytes_through;
  entries_.push_back({chunk.header, std::move(chunk.body), operation, before + chunk.header.size});
}

void replica_log::truncate(std::uint64_t offset) {
  const auto keep = index_after(offset);
  entries_.resize(keep);
  synced_ = std::min(synced_, keep);
  released_ = std::min(released_, keep);
}

void replica_log::mark_synced(std::uint64_t operation) {
  while (synced_ < entries_.size() && entries_[synced_].operation <= operation) ++synced_;
}

void replica_log::release_bodies(std::uint64_t offset) {
  for (const auto end = index_after(offset); released_ < end; ++released_) {
    entries_[released_].body.reset();
  }
}

void replica_log::trim(const log_position& start) {
  if (start.offset <= start_.offset) return;
  const auto count = index_after(start.offset);
  const auto drop = static_cast<std::ptrdiff_t>(count);
  entries_.erase(entries_.begin(), entries_.begin() + drop);
  synced_ -= std::min(synced_, count);
  released_ -= std::min(released_, count);
  start_ = start;
}

}  // namespace tally
