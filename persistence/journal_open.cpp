#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>

#include "domain/bytes.hpp"
#include "domain/shard.hpp"
#include "persistence/journal_impl.hpp"

namespace tally::persistence {

namespace {

constexpr std::uint64_t mebibyte = 1ull << 20;
constexpr std::size_t log_memtable_bytes = 16 * mebibyte;
constexpr std::size_t wal_bytes_max = 512 * mebibyte;
constexpr std::size_t cache_bytes = 64 * mebibyte;
constexpr int open_files_max = 2'000;
constexpr std::string_view segment_prefix = "log.";

std::uint32_t segment_number(std::string_view family) {
  if (!family.starts_with(segment_prefix)) return 0;
  std::uint32_t number = 0;
  for (const char c : family.substr(segment_prefix.size())) {
    if (c < '0' || c > '9') return 0;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return number;
}

failure missing(round_number from, round_number to, std::string_view why) {
  const auto rounds = from == to ? "round " + std::to_string(from)
                                 : "rounds " + std::to_string(from) + ".." + std::to_string(to);
  return {errc::lossy_recovery, rounds + " missing: " + std::string{why}};
}

using visitor = std::function<status(const log_segment&, round_number, const rocksdb::Slice&)>;

/// Visits the rounds from..to in order; lossy_recovery where one is missing. Without `to` it ends
/// with the log.
status walk(rocksdb::DB& db, const std::vector<log_segment>& segments, round_number from,
            std::optional<round_number> to, const visitor& f) {
  auto expected = from;
  for (const auto& s : segments) {
    const std::unique_ptr<rocksdb::Iterator> it{db.NewIterator({}, s.family.get())};
    for (it->Seek(round_key(expected)); it->Valid(); it->Next(), ++expected) {
      if (to && expected > *to) return done{};
      const auto round = round_of(it->key());
      if (round != expected)
        return missing(expected, round - 1, "gap in " + segment_name(s.number));
      if (auto ok = f(s, round, it->value()); !ok) return ok;
    }
    const auto place = segment_name(s.number) + " round " + std::to_string(expected);
    if (auto ok = rocks::to_status(it->status(), place); !ok) return ok;
  }
  if (to && expected <= *to) return missing(expected, *to, "no segment holds them");
  return done{};
}

struct file_range {
  round_number from = 0, to = 0;
};

/// The rounds in each file of the log, as the manifest tells, in order. Sets each segment's first.
std::vector<file_range> ranges_of_files(rocksdb::DB& db, std::vector<log_segment>& segments) {
  std::vector<rocksdb::LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  std::vector<file_range> ranges;
  for (const auto& f : files) {
    const auto number = segment_number(f.column_family_name);
    if (number == 0) continue;
    const file_range range{round_of(f.smallestkey), round_of(f.largestkey)};
    ranges.push_back(range);
    for (auto& s : segments)
      if (s.number == number && (s.first == 0 || range.from < s.first)) s.first = range.from;
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.from < b.from; });
  return ranges;
}

status nothing(const log_segment&, round_number, const rocksdb::Slice&) {
  return done{};
}

}  // namespace

std::string encode(const ends_record& r) {
  std::string out;
  byte_writer to{out};
  to.u8(1);
  to.u64be(r.round);
  for (const auto& e : r.ends) {
    to.u64be(e.next_offset);
    to.u64be(e.chain);
    to.u32be(e.epoch);
    to.i64be(e.stamped_at_ms);
  }
  return rocks::with_crc(out);
}

result<ends_record> decode_ends(std::string_view bytes) {
  const auto content = rocks::without_crc(bytes);
  if (!content) return failure{errc::corrupt_record, "meta ends: checksum differs"};
  byte_reader in{*content};
  if (in.u8() != 1) return failure{errc::unsupported, "meta ends: unknown version"};
  ends_record r{in.u64be(), std::vector<shard_end>(shard_count)};
  for (auto& e : r.ends) {
    e.next_offset = in.u64be();
    e.chain = in.u64be();
    e.epoch = in.u32be();
    e.stamped_at_ms = in.i64be();
  }
  if (!in.ok() || !in.at_end()) return failure{errc::corrupt_record, "meta ends: wrong size"};
  return r;
}

bool advance(std::vector<shard_end>& ends, const chunk_header& h) {
  if (h.shard >= ends.size()) return false;
  auto& end = ends[h.shard];
  if (h.base != end.next_offset || h.chain != next_chain(end.chain, h)) return false;
  end = {h.base + h.count, h.chain, h.epoch, to_ms(h.stamped_at)};
  return true;
}

std::string round_key(round_number round) {
  std::string key;
  byte_writer{key}.u64be(round);
  return key;
}

round_number round_of(const rocksdb::Slice& key) {
  return byte_reader{rocks::view(key)}.u64be();
}

std::string segment_name(std::uint32_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "log.%08u", number);
  return text;
}

journal::impl::impl(const journal_options& o)
    : options{o},
      env{o.env != nullptr ? o.env : rocksdb::Env::Default()},
      cache{rocksdb::NewLRUCache(cache_bytes)} {}

journal::impl::~impl() {
  stop_watermark();
  if (!db) return;
  segments.clear();
  for (auto* family : {fallback, meta, merchants})
    if (family != nullptr) db->DestroyColumnFamilyHandle(family);
}

rocksdb::ColumnFamilyOptions journal::impl::log_options() const {
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = log_memtable_bytes;
  o.max_write_buffer_number = 4;
  o.compression = rocksdb::kLZ4Compression;
  // Rounds only ever grow and are never overwritten: compaction would copy the log for nothing,
  // and a log of many L0 files must not stall its writer.
  o.disable_auto_compactions = true;
  o.level0_slowdown_writes_trigger = 1 << 30;
  o.level0_stop_writes_trigger = 1 << 30;
  o.soft_pending_compaction_bytes_limit = 0;
  o.hard_pending_compaction_bytes_limit = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 << 10;
  table.format_version = 5;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

rocksdb::ColumnFamilyOptions journal::impl::table_options() const {
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = 16 * mebibyte;
  o.compression = rocksdb::kLZ4Compression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

rocksdb::DBOptions journal::impl::database_options() const {
  rocksdb::DBOptions o;
  o.env = env;
  o.create_if_missing = !options.read_only;
  o.create_missing_column_families = !options.read_only;
  // The default mode silently drops synced rounds behind one flipped bit.
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  o.track_and_verify_wals_in_manifest = true;
  o.paranoid_checks = true;
  // All families of a round are then in files together or in the WAL together, so that a WAL that
  // lost merchants or meta to a flipped bit shows a gap in the rounds.
  o.atomic_flush = true;
  o.avoid_flush_during_recovery = true;
  o.max_total_wal_size = wal_bytes_max;
  o.max_open_files = open_files_max;
  o.max_background_jobs = 2;
  o.bytes_per_sync = mebibyte;  // spreads the writing of tables, which would delay a round's fsync
  o.max_manifest_file_size = 64 * mebibyte;
  o.skip_stats_update_on_db_open = true;
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  o.keep_log_file_num = 3;
  o.max_log_file_size = 8 * mebibyte;
  o.listeners.push_back(watch);
  if (options.read_only) o.info_log = rocks::silent_logger();
  return o;
}

status journal::impl::prepare_directory() {
  if (!options.read_only) {
    std::error_code error;
    std::filesystem::create_directories(options.path, error);
    if (error) return failure{errc::io_error, options.path + ": " + error.message()};
    auto taken = rocks::file_lock::take(options.path + "/WRITER");
    if (!taken) return taken.error();
    lock = std::move(*taken);
  }
  const bool database = rocks::has_database(*env, options.path);
  auto opened = watermark_file::open(*env, options.path);
  const bool absent = !opened && opened.error().code == errc::not_found;
  if (absent && !database) {
    if (options.read_only) return failure{errc::not_found, options.path + " holds no journal"};
    if (auto s = watermark_file::create(*env, options.path, {}); !s) return s;
    opened = watermark_file::open(*env, options.path);
  } else if (absent) {
    return failure{errc::lossy_recovery, options.path +
                                             "/WATERMARK is missing, so nothing tells "
                                             "whether the journal is complete"};
  }
  if (!opened) return opened.error();
  mark_file = std::move(*opened);
  synced = mark_file->newest();
  if (!database && synced.round > 0)
    return missing(1, synced.round, options.path + " holds no database");
  return done{};
}

status journal::impl::open_database() {
  const auto db_options = database_options();
  std::vector<std::string> names;
  if (rocks::has_database(*env, options.path)) {
    auto s = rocksdb::DB::ListColumnFamilies(db_options, options.path, &names);
    if (!s.ok()) return rocks::to_failure(s, options.path);
  }
  const auto wants = [&names](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  if (!options.read_only) {
    for (const auto* name : {"default", "meta", "merchants"}) wants(name);
    if (std::none_of(names.begin(), names.end(), segment_number)) wants(segment_name(1));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.reserve(names.size());
  for (const auto& name : names)
    families.emplace_back(name, segment_number(name) > 0 ? log_options() : table_options());

  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto s = options.read_only
                     ? rocksdb::DB::OpenForReadOnly(rocksdb::Options{db_options, {}}, options.path,
                                                    families, &handles, &opened)
                     : rocksdb::DB::Open(db_options, options.path, families, &handles, &opened);
  if (!s.ok()) return rocks::to_failure(s, options.path);
  db.reset(opened);
  for (auto* h : handles) {
    const auto& name = h->GetName();
    if (const auto number = segment_number(name); number > 0)
      segments.push_back({number, 0, held(h)});
    if (name == "default") fallback = h;
    if (name == "meta") meta = h;
    if (name == "merchants") merchants = h;
  }
  std::sort(segments.begin(), segments.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  if (fallback == nullptr || meta == nullptr || merchants == nullptr || segments.empty())
    return failure{errc::lossy_recovery, options.path + ": a column family is missing"};
  return done{};
}

status journal::impl::check_format() {
  const auto format = get(meta, meta_key::format);
  if (!format && format.error().code != errc::not_found) return format.error();
  if (!format) {
    if (synced.round > 0) return missing(1, synced.round, options.path + " lost its meta table");
    if (options.read_only) return failure{errc::not_found, options.path + " holds no journal"};
    std::string version;
    byte_writer{version}.u32be(journal_format);
    identity = rocksdb::Env::Default()->GenerateUniqueId();
    rocksdb::WriteBatch batch;
    batch.Put(meta, rocks::slice(meta_key::format), version);
    batch.Put(meta, rocks::slice(meta_key::identity), identity);
    return write(batch);
  }
  if (const auto version = byte_reader{*format}.u32be(); version != journal_format)
    return failure{errc::unsupported, options.path + ": journal format " + std::to_string(version)};
  auto id = get(meta, meta_key::identity);
  if (!id) return id.error();
  identity = *id;
  return done{};
}

/// Finds the first and the last round that is in a file, and checks that none is missing up to it:
/// by the ranges of the files, and key by key between them, where the WAL must hold the rounds.
result<round_number> journal::impl::check_coverage() {
  const auto dropped = dropped_to();
  if (!dropped) return dropped.error();
  auto ranges = ranges_of_files(*db, segments);
  for (auto& s : segments) {
    if (s.first != 0) continue;
    const std::unique_ptr<rocksdb::Iterator> it{db->NewIterator({}, s.family.get())};
    it->SeekToFirst();
    if (it->Valid()) s.first = round_of(it->key());
    if (auto ok = rocks::to_status(it->status(), segment_name(s.number)); !ok) return ok.error();
  }
  // A crash may have come before those that were to be dropped were.
  std::size_t left = 0;
  while (left + 1 < segments.size() && segments[left + 1].first != 0 &&
         segments[left + 1].first <= *dropped + 1)
    ++left;
  if (left > 0 && !options.read_only)
    if (auto ok = drop(left); !ok) return ok.error();
  if (left > 0 && options.read_only)
    segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(left));
  std::erase_if(ranges, [&](const file_range& r) { return r.to <= *dropped; });
  round_number oldest = 0;
  for (const auto& s : segments)
    if (oldest == 0) oldest = s.first;
  if (oldest > *dropped + 1) return missing(*dropped + 1, oldest - 1, "the log begins later");
  first_round = oldest;
  round_number last = *dropped;
  for (const auto& r : ranges) {
    if (r.from <= last || r.to < r.from)
      return failure{errc::corrupt_record, "log files overlap at round " + std::to_string(r.from)};
    if (r.from > last + 1)
      if (auto ok = walk(*db, segments, last + 1, r.from - 1, nothing); !ok) return ok.error();
    last = r.to;
  }
  return last;
}

result<round_number> journal::impl::dropped_to() const {
  const auto note = get(meta, meta_key::dropped);
  if (!note && note.error().code == errc::not_found) return round_number{0};
  if (!note) return note.error();
  const auto content = rocks::without_crc(*note);
  if (!content || content->size() != 8)
    return failure{errc::corrupt_record, "meta dropped: damaged"};
  return byte_reader{*content}.u64be();
}

status journal::impl::load_cuts() {
  const auto records = list(meta, log_filter::prefix, {}, std::string::npos);
  if (!records) return records.error();
  for (const auto& r : *records)
    if (auto loaded = filter.load(r.key, r.value); !loaded) return loaded;
  return done{};
}

status journal::impl::load_commits() {
  const auto records = list(meta, meta_key::commit, {}, std::string::npos);
  if (!records) return records.error();
  if (records->empty()) return done{};
  commits_at_open.emplace(shard_count);
  for (const auto& r : *records) {
    byte_reader key{std::string_view{r.key}.substr(meta_key::commit.size())}, value{r.value};
    const auto shard = key.u16be();
    const auto offset = value.u64be();
    if (!key.ok() || !value.ok() || !value.at_end() || shard >= shard_count)
      return failure{errc::corrupt_record, "meta commit: damaged"};
    (*commits_at_open)[shard] = offset;
  }
  for (std::uint16_t shard = 0; shard < shard_count; ++shard)
    filter.show_up_to(shard, (*commits_at_open)[shard]);
  return done{};
}

status journal::impl::recover_ends() {
  ends_record known{0, std::vector<shard_end>(shard_count)};
  if (auto saved = get(meta, meta_key::ends); saved) {
    auto decoded = decode_ends(*saved);
    if (!decoded) return decoded.error();
    known = std::move(*decoded);
  } else if (saved.error().code != errc::not_found) {
    return saved.error();
  }
  const auto in_files = check_coverage();
  if (!in_files) return in_files.error();
  ends = std::move(known.ends);
  ends_saved_at = known.round;

  round_number last = *in_files;
  const auto read = [&](const log_segment& s, round_number round, const rocksdb::Slice& value) {
    last = std::max(last, round);
    if (round <= known.round) return status{done{}};
    bytes_since_ends += value.size();
    const auto entries = decode_round(rocks::view(value));
    if (!entries)
      return status{failure{entries.error().code, place(s, round) + entries.error().detail}};
    for (const auto& cut : filter.made_in(round)) ends[cut.shard] = cut.end;
    for (const auto& e : *entries)
      if (!advance(ends, e.header))
        return status{failure{errc::corrupt_record, place(s, round) + "does not follow in shard " +
                                                        std::to_string(e.header.shard)}};
    return status{done{}};
  };
  if (auto s = walk(*db, segments, std::min(*in_files, known.round) + 1, std::nullopt, read); !s)
    return s;
  if (known.round > last) return missing(last + 1, known.round, "the shards' ends name them");
  for (auto& s : segments)
    if (s.first == 0) s.first = last + 1;
  ends_at_open = ends;
  last_round = last;
  return done{};
}

status journal::impl::check_watermark() {
  const auto last = last_round.load();
  const auto path = options.path + "/WATERMARK";
  if (last < synced.round) return missing(last + 1, synced.round, path + " names them as synced");
  if (synced.clean && last > synced.round)
    return failure{errc::lossy_recovery, path + " is older than the journal beside it"};
  if (synced.round > 0 && synced.round >= first_round.load()) {
    const auto segment = segments_from(synced.round).front();
    std::string bytes;
    const auto s = db->Get({}, segment.family.get(), round_key(synced.round), &bytes);
    if (!s.ok()) return rocks::to_failure(s, place(segment, synced.round));
    const auto entries = decode_round(bytes);
    if (!entries)
      return failure{entries.error().code, place(segment, synced.round) + entries.error().detail};
    if (chain_digest(*entries) != synced.digest)
      return failure{errc::lossy_recovery, place(segment, synced.round) + "differs from " + path};
  }
  return done{};
}

status journal::impl::start() {
  if (options.read_only) return done{};
  if (auto mark = mark_now(); mark) {
    synced = *mark;
    digest = mark->digest;
  } else {
    return mark.error();
  }
  if (auto s = mark_file->write(synced); !s) return s;
  const auto& last = segments.back();
  std::uint64_t in_files = 0, in_memory = 0;
  db->GetIntProperty(last.family.get(), rocksdb::DB::Properties::kTotalSstFilesSize, &in_files);
  db->GetIntProperty(last.family.get(), rocksdb::DB::Properties::kCurSizeAllMemTables, &in_memory);
  segment_bytes = in_files + in_memory;
  if (options.watermark_interval.count() > 0)
    mark_thread = std::thread{[this] { watermark_loop(); }};
  return done{};
}

result<std::unique_ptr<journal>> journal::open(const journal_options& options) {
  auto i = std::make_unique<impl>(options);
  for (const auto step :
       {&impl::prepare_directory, &impl::open_database, &impl::check_format, &impl::load_cuts,
        &impl::load_commits, &impl::recover_ends, &impl::check_watermark, &impl::start})
    if (auto s = (i.get()->*step)(); !s) return s.error();
  return std::unique_ptr<journal>{new journal{std::move(i)}};
}

}  // namespace tally::persistence
