#include "tests/simulation/disk.hpp"

#include <algorithm>

namespace tally::simulation {
namespace {

void cut(stored_state& s, std::uint64_t end) {
  s.log.resize(index_after(s.log, end));
  s.commit = std::min(s.commit, end);
}

struct applier {
  stored_state& s;
  void operator()(const append_chunks& c) {
    s.log.insert(s.log.end(), c.chunks.begin(), c.chunks.end());
  }
  void operator()(const truncate_log& c) { cut(s, c.end); }
  void operator()(const persist_promise& c) { s.promise = c.epoch; }
  void operator()(const persist_identity& c) {
    s.id = c.id;
    s.is_suspect = false;
    s.commit = s.sealed.offset;
  }
  void operator()(const disk::copy& c) {
    s.log = c.log;
    s.sealed = c.start;
    s.commit = c.start.offset;
  }
  void operator()(const disk::commit_mark& c) { s.commit = c.offset; }
  void operator()(const log_trimmed& c) { s.sealed = c.start; }
};

}  // namespace

std::size_t index_after(const std::vector<log_chunk>& log, std::uint64_t offset) {
  const auto found =
      std::ranges::upper_bound(log, offset, {}, [](const log_chunk& c) { return c.header.last(); });
  return static_cast<std::size_t>(found - log.begin());
}

void disk::write(std::uint64_t operation, change c) {
  std::visit(applier{written_}, c);
  if (operation != 0) last_operation_ = operation;
  pending_.push_back({operation, std::move(c)});
}

void disk::sync(std::uint64_t operation) {
  while (!pending_.empty() && pending_.front().operation <= operation) {
    std::visit(applier{durable_}, pending_.front().what);
    pending_.pop_front();
  }
}

void disk::crash(chance& random) {
  for (auto kept = random.below(pending_.size() + 1); kept > 0; --kept) {
    std::visit(applier{durable_}, pending_.front().what);
    pending_.pop_front();
  }
  pending_.clear();
  written_ = durable_;
  last_operation_ = 0;
}

void disk::lose_tail(std::uint64_t chunks) {
  const auto& log = durable_.log;
  const auto lost = std::min<std::uint64_t>(chunks, log.size());
  const auto keep = lost == log.size() ? 0 : log[log.size() - lost - 1].header.last();
  cut(durable_, std::max(keep, durable_.sealed.offset));
  written_ = durable_;
}

void disk::replace(stored_state with) {
  durable_ = written_ = std::move(with);
  pending_.clear();
}

std::uint64_t disk::begin_start() {
  ++durable_.starts;
  return ++written_.starts;
}

}  // namespace tally::simulation
