#include "persistence/journal_reader.hpp"

#include "persistence/event_codec.hpp"

namespace tally::persistence {
namespace {

/// Where a reading has come.
struct reading {
  std::uint16_t shard;
  std::string_view merchant;
  std::uint64_t next_offset;
  const history::event_visitor& f;
  bool goes_on = true;

  bool visit(std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
    if (!goes_on || offset < next_offset) return goes_on;
    next_offset = offset + 1;
    return goes_on = f(offset, stamped_at, bytes);
  }
};

/// The rounds after `sealed`. False where the first of them was dropped meanwhile: history has it.
result<bool> read_log(const journal& log, round_number sealed, reading& r) {
  bool cut = log.first_round() > sealed + 1;
  if (cut) return false;
  auto expected = sealed + 1;
  const auto scanned = log.scan(
      expected, log.last_round(), [&](round_number round, const std::vector<round_entry>& entries) {
        cut = round != expected;
        for (const auto& entry : entries) {
          if (cut || entry.header.shard != r.shard) continue;
          for_each_event(entry.payload, entry.header.count,
                         [&](std::uint32_t i, std::string_view bytes) {
                           if (peek_merchant(bytes) == r.merchant)
                             r.visit(entry.header.base + i, entry.header.stamped_at, bytes);
                         });
        }
        ++expected;
        return !cut && r.goes_on;
      });
  if (!scanned) return scanned.error();
  return !cut;
}

}  // namespace

status journal_reader::for_each_event(std::uint16_t shard, std::string_view merchant,
                                      std::uint64_t from_offset,
                                      const history::event_visitor& f) const {
  reading r{shard, merchant, from_offset, f};
  for (;;) {
    round_number sealed = 0;
    if (past_ != nullptr) {
      const auto seen = past_->look();
      sealed = history::sealed(seen).round;
      auto read = past_->for_each_event(
          shard, merchant, r.next_offset,
          [&](std::uint64_t offset, event_time stamped_at, std::string_view bytes) {
            return r.visit(offset, stamped_at, bytes);
          },
          seen);
      if (!read || !r.goes_on) return read;
    }
    const auto whole = read_log(log_, sealed, r);
    if (!whole) return whole.error();
    if (*whole) return done{};
    if (past_ == nullptr || past_->sealed_round() <= sealed)
      return failure{errc::corrupt_record, "the log begins with round " +
                                               std::to_string(log_.first_round()) +
                                               ", history ends with " + std::to_string(sealed)};
  }
}

}  // namespace tally::persistence
