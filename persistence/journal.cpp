#include "persistence/journal.hpp"

#include <algorithm>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "persistence/journal_impl.hpp"

namespace tally::persistence {

namespace {

constexpr std::uint64_t ends_rounds_max = 4'096;
constexpr std::uint64_t ends_bytes_max = 32ull << 20;
constexpr std::chrono::milliseconds space_interval{100};
constexpr std::uint64_t space_bytes_max = 16ull << 20;
constexpr std::size_t scan_readahead_bytes = 1 << 20;

}  // namespace

std::string journal::impl::place(const log_segment& s, round_number round) {
  return segment_name(s.number) + " round " + std::to_string(round) + ": ";
}

std::vector<log_segment> journal::impl::all_segments() const {
  const std::shared_lock hold{segments_mutex};
  return segments;
}

/// The segment that holds the round, and all after it.
std::vector<log_segment> journal::impl::segments_from(round_number round) const {
  const std::shared_lock hold{segments_mutex};
  auto at = std::upper_bound(segments.begin(), segments.end(), round,
                             [](round_number r, const log_segment& s) { return r < s.first; });
  if (at != segments.begin()) --at;
  return {at, segments.end()};
}

std::string journal::impl::broken() const {
  {
    const std::scoped_lock hold{broken_mutex};
    if (!first_failure.empty()) return first_failure;
  }
  return watch->first_error();
}

failure journal::impl::fail(failure why) {
  const std::scoped_lock hold{broken_mutex};
  if (first_failure.empty()) first_failure = why.text();
  // disk_full promises that nothing was half done, which nobody knows of a write that failed.
  if (why.code == errc::disk_full) why.code = errc::io_error;
  return why;
}

status journal::impl::writable() {
  ensure(!options.read_only && !closed, "write to a journal that is closed or read only");
  if (auto why = broken(); !why.empty())
    return failure{errc::io_error, "the journal stopped after: " + why};
  return check_space();
}

status journal::impl::check_space() {
  if (watch->no_space()) return failure{errc::disk_full, options.path + ": no space for tables"};
  const auto now = std::chrono::steady_clock::now();
  if (space_enough && now - space_checked < space_interval && bytes_since_check < space_bytes_max)
    return done{};
  std::uint64_t free = 0;
  if (auto s = env->GetFreeSpace(options.path, &free); !s.ok())
    return fail(rocks::to_failure(s, options.path));
  space_checked = now;
  bytes_since_check = 0;
  space_enough = free >= options.reserve_bytes;
  if (space_enough) return done{};
  return failure{errc::disk_full, options.path + ": " + std::to_string(free) + " bytes free, " +
                                      std::to_string(options.reserve_bytes) + " needed"};
}

status journal::impl::roll_segment() {
  const auto& old = segments.back();
  const auto number = old.number + 1;
  rocksdb::ColumnFamilyHandle* family = nullptr;
  auto s = db->CreateColumnFamily(log_options(), segment_name(number), &family);
  if (!s.ok()) return fail(rocks::to_failure(s, segment_name(number)));
  rocksdb::FlushOptions no_wait;
  no_wait.wait = false;
  no_wait.allow_write_stall = true;
  // Its memory table would hold back the WAL for nothing. All at once: atomic_flush is about what
  // is flushed in one call.
  s = db->Flush(no_wait, {old.family.get(), meta, merchants});
  const std::unique_lock hold{segments_mutex};
  segments.push_back({number, last_round + 1, held(family)});
  segment_bytes = 0;
  return s.ok() ? status{done{}} : fail(rocks::to_failure(s, segment_name(number)));
}

status journal::impl::write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions synced_write;
  synced_write.sync = true;
  const auto s = db->Write(synced_write, &batch);
  if (s.ok()) return done{};
  // The tables found no space: RocksDB then refuses before it touches the WAL, so nothing of this
  // batch is there, and it goes on by itself when space returns. An error of the WAL is final.
  if (s.IsNoSpace() && s.ToString().find(".sst") != std::string::npos)
    return rocks::to_failure(s, options.path + " write");
  return fail(rocks::to_failure(s, options.path + " write"));
}

/// Writes one round with what `add` puts beside it. Everything durable goes this way, so that the
/// round numbers show any loss in the WAL.
result<round_number> journal::impl::commit(const std::vector<chunk_ptr>& chunks,
                                           const std::function<void(rocksdb::WriteBatch&)>& add,
                                           const std::vector<log_cut>& cuts) {
  if (auto s = writable(); !s) return s.error();
  const auto ends_before = ends;
  for (const auto& cut : cuts) {
    ensure(cut.is_whole || cut.end.next_offset <= ends[cut.shard].next_offset,
           "a cut behind its shard's end");
    ends[cut.shard] = cut.end;
  }
  for (const auto& c : chunks)
    ensure(c->payload.size() == c->header.size && advance(ends, c->header),
           "a chunk that does not follow its shard's end");
  const bool roll = segment_bytes >= options.segment_bytes;
  if (roll)
    if (auto s = roll_segment(); !s) return s.error();

  const round_number round = last_round + 1;
  const auto bytes = encode_round(chunks);
  rocksdb::WriteBatch batch{bytes.size() + 256};
  batch.Put(segments.back().family.get(), round_key(round), bytes);
  for (const auto& cut : cuts)
    batch.Put(meta, log_filter::key(round, cut.shard), log_filter::encode(cut));
  add(batch);
  bytes_since_ends += bytes.size();
  const bool save_ends =
      roll || round - ends_saved_at >= ends_rounds_max || bytes_since_ends >= ends_bytes_max;
  if (save_ends) batch.Put(meta, rocks::slice(meta_key::ends), encode(ends_record{round, ends}));
  if (auto s = write(batch); !s) {
    ends = ends_before;
    return s.error();
  }
  if (save_ends) {
    ends_saved_at = round;
    bytes_since_ends = 0;
  }
  for (const auto& cut : cuts) filter.add(round, cut);
  segment_bytes += bytes.size();
  bytes_since_check += bytes.size();
  digest = chain_digest(chunks);
  if (first_round == 0) first_round = round;
  last_round = round;
  note_synced();
  return round;
}

/// Lets the watermark follow: at once without an interval, else by its thread.
void journal::impl::note_synced() {
  std::unique_lock hold{mark_mutex};
  synced = {last_round, digest, false};
  mark_due = true;
  hold.unlock();
  if (options.watermark_interval.count() > 0) {
    mark_wake.notify_one();
  } else {
    (void)write_watermark(false);  // a failure refuses the next write
  }
}

status journal::impl::write_watermark(bool clean) {
  watermark w;
  {
    const std::scoped_lock hold{mark_mutex};
    w = synced;
    mark_due = false;
  }
  w.clean = clean;
  if (auto s = mark_file->write(w); !s) return fail(s.error());
  return done{};
}

void journal::impl::watermark_loop() {
  std::unique_lock hold{mark_mutex};
  while (!mark_stop) {
    mark_wake.wait(hold, [this] { return mark_due || mark_stop; });
    if (mark_stop) return;
    hold.unlock();
    if (!write_watermark(false)) return;
    hold.lock();
    mark_wake.wait_for(hold, options.watermark_interval, [this] { return mark_stop; });
  }
}

void journal::impl::stop_watermark() {
  if (!mark_thread.joinable()) return;
  {
    const std::scoped_lock hold{mark_mutex};
    mark_stop = true;
  }
  mark_wake.notify_one();
  mark_thread.join();
}

result<watermark> journal::impl::mark_now() const {
  watermark mark{last_round, 0, false};
  if (mark.round == 0) return mark;
  const auto segment = segments_from(mark.round).front();
  std::string bytes;
  const auto s = db->Get({}, segment.family.get(), round_key(mark.round), &bytes);
  if (!s.ok()) return rocks::to_failure(s, place(segment, mark.round));
  const auto entries = decode_round(bytes);
  if (!entries)
    return failure{entries.error().code, place(segment, mark.round) + entries.error().detail};
  mark.digest = chain_digest(*entries);
  return mark;
}

result<std::string> journal::impl::get(rocksdb::ColumnFamilyHandle* family,
                                       std::string_view key) const {
  std::string value;
  const auto s = db->Get({}, family, rocks::slice(key), &value);
  if (!s.ok()) return rocks::to_failure(s, family->GetName() + " " + std::string{key});
  return value;
}

result<std::vector<record>> journal::impl::list(rocksdb::ColumnFamilyHandle* family,
                                                std::string_view prefix, std::string_view after,
                                                std::size_t limit) const {
  if (prefix.data() == nullptr) prefix = "";  // a slice must point somewhere
  if (after.data() == nullptr) after = "";
  std::vector<record> found;
  const std::unique_ptr<rocksdb::Iterator> it{db->NewIterator({}, family)};
  for (it->Seek(rocks::slice(std::max(prefix, after)));
       it->Valid() && it->key().starts_with(rocks::slice(prefix)) && found.size() < limit;
       it->Next())
    if (!after.empty() && rocks::view(it->key()) == after)
      continue;
    else
      found.push_back({it->key().ToString(), it->value().ToString()});
  if (!it->status().ok()) return rocks::to_failure(it->status(), family->GetName());
  return found;
}

std::shared_ptr<rocksdb::ColumnFamilyHandle> journal::impl::held(
    rocksdb::ColumnFamilyHandle* family) const {
  return {family, [d = db.get()](auto* f) { d->DestroyColumnFamilyHandle(f); }};
}

journal::journal(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
journal::~journal() = default;

void journal::impl::put_merchants(rocksdb::WriteBatch& batch,
                                  const std::vector<record>& records) const {
  for (const auto& r : records) {
    if (r.value.empty()) {
      batch.Delete(merchants, r.key);
    } else {
      batch.Put(merchants, r.key, r.value);
    }
  }
}

void journal::impl::put_meta(rocksdb::WriteBatch& batch, const std::vector<record>& records) const {
  for (const auto& r : records) {
    ensure(!r.key.empty() && r.key.front() != '\0', "a meta key of the journal's own");
    if (r.value.empty()) {
      batch.Delete(meta, r.key);
    } else {
      batch.Put(meta, r.key, r.value);
    }
  }
}

result<round_number> journal::append(const std::vector<chunk_ptr>& chunks,
                                     const std::vector<record>& new_merchants) {
  return impl_->commit(
      chunks, [&](rocksdb::WriteBatch& batch) { impl_->put_merchants(batch, new_merchants); });
}

result<round_number> journal::append(const round_content& content) {
  const auto add = [&](rocksdb::WriteBatch& batch) {
    impl_->put_merchants(batch, content.merchants);
    impl_->put_meta(batch, content.meta);
    for (const auto& [shard, offset] : content.commits) {
      std::string key{meta_key::commit}, value;
      byte_writer{key}.u16be(shard);
      byte_writer{value}.u64be(offset);
      batch.Put(impl_->meta, key, value);
    }
  };
  return impl_->commit(content.chunks, add, content.cuts);
}

const std::optional<std::vector<std::uint64_t>>& journal::commits() const {
  return impl_->commits_at_open;
}

void journal::show_up_to(std::uint16_t shard, std::uint64_t offset) {
  impl_->filter.show_up_to(shard, offset);
}

status journal::put_meta(const std::vector<record>& records) {
  const auto round =
      impl_->commit({}, [&](rocksdb::WriteBatch& batch) { impl_->put_meta(batch, records); });
  if (!round) return round.error();
  return done{};
}

status journal::renew_identity(const journal_options& options) {
  auto opened = open(options);
  if (!opened) return opened.error();
  auto& j = *(*opened)->impl_;
  const auto round = j.commit({}, [&](rocksdb::WriteBatch& batch) {
    batch.Put(j.meta, rocks::slice(meta_key::identity),
              rocksdb::Env::Default()->GenerateUniqueId());
  });
  if (!round) return round.error();
  return (*opened)->close();
}

round_number journal::last_round() const {
  return impl_->last_round;
}
round_number journal::first_round() const {
  return impl_->first_round;
}
const std::vector<shard_end>& journal::ends() const {
  return impl_->ends_at_open;
}
std::string journal::identity() const {
  return impl_->identity;
}
std::string journal::broken() const {
  return impl_->broken();
}

std::uint64_t journal::log_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& s : impl_->all_segments()) sum += impl_->bytes_of(s);
  return sum;
}

result<std::string> journal::read_round(round_number round) const {
  const auto segment = impl_->segments_from(round).front();
  std::string bytes;
  const auto s = impl_->db->Get({}, segment.family.get(), round_key(round), &bytes);
  if (!s.ok()) return rocks::to_failure(s, impl_->place(segment, round));
  return bytes;
}

result<stored_round> journal::read_entries(round_number round) const {
  auto bytes = read_round(round);
  if (!bytes) return bytes.error();
  stored_round found{std::make_shared<const std::string>(std::move(*bytes)), {}};
  auto entries = decode_round(*found.bytes);
  if (!entries)
    return failure{entries.error().code,
                   "round " + std::to_string(round) + ": " + entries.error().detail};
  found.entries = std::move(*entries);
  impl_->filter.apply(round, found.entries);
  return found;
}

status journal::impl::scan(
    round_number from, round_number to, bool shown_only,
    const std::function<bool(round_number, const std::vector<round_entry>&)>& f) const {
  auto expected = std::max(from, first_round.load());
  to = std::min(to, last_round.load());
  if (expected == 0 || expected > to) return done{};
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.readahead_size = scan_readahead_bytes;
  for (const auto& s : segments_from(expected)) {
    const std::unique_ptr<rocksdb::Iterator> it{db->NewIterator(read, s.family.get())};
    for (it->Seek(round_key(expected)); it->Valid() && expected <= to; it->Next(), ++expected) {
      const auto where = place(s, expected);
      if (round_of(it->key()) != expected) return failure{errc::corrupt_record, where + "missing"};
      auto entries = decode_round(rocks::view(it->value()));
      if (!entries) return failure{errc::corrupt_record, where + entries.error().detail};
      if (shown_only) filter.apply(expected, *entries);
      if (!shown_only) filter.apply_cuts(expected, *entries);
      if (!f(expected, *entries)) return done{};
    }
    if (!it->status().ok()) return rocks::to_failure(it->status(), place(s, expected));
    if (expected > to) return done{};
  }
  return failure{errc::corrupt_record, "round " + std::to_string(expected) + " is missing"};
}

status journal::scan(
    round_number from, round_number to,
    const std::function<bool(round_number, const std::vector<round_entry>&)>& f) const {
  return impl_->scan(from, to, true, f);
}

status journal::scan_all(
    round_number from, round_number to,
    const std::function<bool(round_number, const std::vector<round_entry>&)>& f) const {
  return impl_->scan(from, to, false, f);
}

result<std::string> journal::get_meta(std::string_view key) const {
  return impl_->get(impl_->meta, key);
}

result<std::string> journal::get_merchant(std::string_view key) const {
  return impl_->get(impl_->merchants, key);
}

result<std::vector<record>> journal::list_merchants(std::string_view prefix, std::string_view after,
                                                    std::size_t limit) const {
  return impl_->list(impl_->merchants, prefix, after, limit);
}

result<std::vector<record>> journal::list_meta(std::string_view prefix) const {
  auto found = impl_->list(impl_->meta, prefix, {}, std::string::npos);
  if (found) std::erase_if(*found, [](const record& r) { return r.key.starts_with('\0'); });
  return found;
}

status journal::checkpoint(const std::string& directory) const {
  auto& j = *impl_;
  // What is synced now is in the checkpoint taken after it: a lower bound, and so a true watermark.
  watermark mark;
  {
    const std::scoped_lock hold{j.mark_mutex};
    mark = j.synced;
  }
  mark.clean = false;
  if (auto made = rocks::checkpoint(*j.db, directory); !made) return made;
  return watermark_file::create(*j.env, directory, mark);
}

status journal::close() {
  auto& j = *impl_;
  if (j.closed || j.options.read_only) return done{};
  j.closed = true;
  j.stop_watermark();
  if (auto why = j.broken(); !why.empty()) return failure{errc::io_error, why};
  // Both slots, so that damage to one of them leaves the full promise in the other.
  if (auto s = j.write_watermark(true); !s) return s;
  return j.write_watermark(true);
}

}  // namespace tally::persistence
