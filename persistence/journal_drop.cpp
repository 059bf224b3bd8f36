#include <algorithm>

#include "domain/bytes.hpp"
#include "persistence/journal_impl.hpp"

/// The end of old segments.
namespace tally::persistence {

/// The first segments; where they end must be noted before. What of it a crash leaves, opening
/// does.
status journal::impl::drop(std::size_t segments_count) {
  const auto end_of = [this](std::size_t count) {
    return segments.begin() + static_cast<std::ptrdiff_t>(count);
  };
  std::vector<log_segment> gone;
  {
    const std::unique_lock hold{segments_mutex};
    gone.assign(segments.begin(), end_of(segments_count));
    segments.erase(segments.begin(), end_of(segments_count));
    first_round = segments.front().first;
  }
  for (const auto& s : gone)
    if (auto dropped = db->DropColumnFamily(s.family.get()); !dropped.ok())
      return fail(rocks::to_failure(dropped, segment_name(s.number)));
  return done{};
}

std::uint64_t journal::impl::bytes_of(const log_segment& s) const {
  std::uint64_t sum = 0;
  for (const auto& property : {rocksdb::DB::Properties::kTotalSstFilesSize,
                               rocksdb::DB::Properties::kCurSizeAllMemTables}) {
    std::uint64_t bytes = 0;
    if (db->GetIntProperty(s.family.get(), property, &bytes)) sum += bytes;
  }
  return sum;
}

/// How many of the first segments need not be kept.
std::size_t journal::impl::needless(round_number round, std::uint64_t keep_bytes) const {
  round = std::min<round_number>(round, last_round);
  std::uint64_t left = 0;
  for (const auto& s : segments) left += bytes_of(s);
  std::size_t count = 0;
  for (; count + 1 < segments.size() && segments[count + 1].first <= round; ++count) {
    left -= std::min(left, bytes_of(segments[count]));
    if (left < keep_bytes) break;
  }
  return count;
}

status journal::impl::drop_before(round_number round, std::uint64_t keep_bytes) {
  const auto count = needless(round, keep_bytes);
  if (count == 0) return done{};
  std::string note;
  byte_writer{note}.u64be(segments[count].first - 1);
  const auto old_cuts = filter.forget(segments[count].first);
  const auto noted = commit({}, [&](rocksdb::WriteBatch& batch) {
    batch.Put(meta, rocks::slice(meta_key::dropped), rocks::with_crc(note));
    for (const auto& key : old_cuts) batch.Delete(meta, key);
  });
  if (!noted) return noted.error();
  return drop(count);
}

bool journal::drops_before(round_number round, std::uint64_t keep_bytes) const {
  return impl_->needless(round, keep_bytes) != 0;
}

status journal::drop_segments_before(round_number round, std::uint64_t keep_bytes) {
  return impl_->drop_before(round, keep_bytes);
}

}  // namespace tally::persistence
