#include "persistence/history.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <utility>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "persistence/history_impl.hpp"
#include "persistence/history_keys.hpp"

namespace tally::persistence {

namespace {

constexpr std::uint32_t history_format = 1;
constexpr std::string_view format_key = "format";
constexpr std::uint64_t mebibyte = 1ull << 20;
constexpr int open_files_max = 1'000;
constexpr std::array<const char*, history_families> family_names{"default", "blocks", "columns"};

std::string name_of(std::uint16_t shard, std::string_view merchant) {
  return "history of shard " + std::to_string(shard) + " merchant " + std::string{merchant};
}

std::string name_of(std::uint16_t shard, std::string_view merchant, const block_facts& block) {
  return name_of(shard, merchant) + " block " + std::to_string(block.first_offset);
}

}  // namespace

class history::view {
 public:
  view(rocksdb::DB& db, std::shared_ptr<const sealed_position> sealed)
      : db_{&db}, taken_{db.GetSnapshot()}, sealed_{std::move(sealed)} {}
  view(const view&) = delete;
  view& operator=(const view&) = delete;
  ~view() { db_->ReleaseSnapshot(taken_); }
  [[nodiscard]] static const rocksdb::Snapshot* of(const view_ptr& v) {
    return v ? v->taken_ : nullptr;
  }
  [[nodiscard]] const sealed_position& sealed() const { return *sealed_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* taken_;
  std::shared_ptr<const sealed_position> sealed_;
};

history::impl::~impl() {
  for (auto* f : families)
    if (f != nullptr) db->DestroyColumnFamilyHandle(f);
}

rocksdb::DBOptions history::impl::database_options() const {
  rocksdb::DBOptions o;
  o.env = env.get();
  o.create_if_missing = !options.read_only;
  o.create_missing_column_families = !options.read_only;
  o.paranoid_checks = true;
  o.max_open_files = open_files_max;
  o.max_background_jobs = 2;
  o.bytes_per_sync = mebibyte;
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  o.keep_log_file_num = 3;
  o.max_log_file_size = 8 * mebibyte;
  o.listeners.push_back(watch);
  if (options.read_only) o.info_log = rocks::silent_logger();
  return o;
}

rocksdb::ColumnFamilyOptions history::impl::family_options(
    history_family f, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = mebibyte;  // nothing is written there but the format
  // Large values are packed already and are left as they are; small ones are packed here, together.
  o.compression = rocksdb::kZSTD;
  o.level_compaction_dynamic_level_bytes = true;
  o.level0_slowdown_writes_trigger = 200;
  o.level0_stop_writes_trigger = 1 << 20;
  o.soft_pending_compaction_bytes_limit = 0;
  o.hard_pending_compaction_bytes_limit = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = false;
  table.format_version = 5;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.block_size = f == history_family::columns ? 16 * 1'024 : 4 * 1'024;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

status history::impl::open_database() {
  const auto* base = options.env != nullptr ? options.env : rocksdb::Env::Default();
  files = std::make_shared<history_files>(base->GetFileSystem());
  env = rocksdb::NewCompositeEnv(files);
  if (options.read_only && !rocks::has_database(*env, options.path))
    return failure{errc::not_found, options.path + " holds no history"};
  const auto cache = rocksdb::NewLRUCache(options.cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t i = 0; i < history_families; ++i)
    descriptors.emplace_back(family_names[i],
                             family_options(static_cast<history_family>(i), cache));
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto s =
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(rocksdb::Options{database_options(), {}}, options.path,
                                         descriptors, &handles, &opened)
          : rocksdb::DB::Open(database_options(), options.path, descriptors, &handles, &opened);
  if (!s.ok()) return rocks::to_failure(s, options.path);
  db.reset(opened);
  std::copy(handles.begin(), handles.end(), families.begin());
  return done{};
}

status history::impl::remove_unfinished() const {
  if (options.read_only) return done{};
  if (auto s = env->CreateDirIfMissing(making()); !s.ok()) return rocks::to_failure(s, making());
  std::vector<std::string> left;
  if (auto s = env->GetChildren(making(), &left); !s.ok()) return rocks::to_failure(s, making());
  for (const auto& file : left) {
    if (file == "." || file == "..") continue;
    const auto path = making() + "/" + file;
    if (auto s = env->DeleteFile(path); !s.ok()) return rocks::to_failure(s, path);
  }
  return done{};
}

status history::impl::check_format() const {
  std::string version;
  auto* where = family(history_family::fallback);
  const auto s = db->Get({}, where, rocks::slice(format_key), &version);
  if (!s.ok() && !s.IsNotFound()) return rocks::to_failure(s, options.path);
  if (s.ok()) {
    if (const auto v = byte_reader{version}.u32be(); v != history_format)
      return failure{errc::unsupported, options.path + ": history format " + std::to_string(v)};
    return done{};
  }
  if (options.read_only) return failure{errc::not_found, options.path + " holds no history"};
  byte_writer{version}.u32be(history_format);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return rocks::to_status(db->Put(synced, where, rocks::slice(format_key), version), options.path);
}

status history::impl::load_sealed() {
  auto position = std::make_shared<sealed_position>();
  const std::unique_ptr<rocksdb::Iterator> it{db->NewIterator({}, family(history_family::blocks))};
  std::uint32_t shard = 0;
  for (it->SeekToFirst(); it->Valid();
       it->Seek(history_key::shard(static_cast<std::uint16_t>(shard + 1)))) {
    const auto key = rocks::view(it->key());
    const auto value = rocks::view(it->value());
    if (key == history_key::round()) {
      const auto round = history_key::decode_sealed_round(value);
      if (!round) return failure{errc::corrupt_record, options.path + ": the sealed round"};
      position->round = *round;
      break;
    }
    shard = byte_reader{key}.u16be();
    const bool is_shard = key == history_key::shard(static_cast<std::uint16_t>(shard));
    const auto end = is_shard && shard < 0xffff ? history_key::decode_end(value) : std::nullopt;
    if (!end)
      return failure{errc::corrupt_record,
                     options.path + ": the end of shard " + std::to_string(shard)};
    position->shards[static_cast<std::uint16_t>(shard)] = *end;
  }
  if (!it->status().ok()) return rocks::to_failure(it->status(), options.path);
  sealed = std::move(position);
  return done{};
}

history::history(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
history::~history() = default;

result<std::unique_ptr<history>> history::open(const history_options& options) {
  auto i = std::make_unique<impl>();
  i->options = options;
  if (auto s = i->open_database(); !s) return s.error();
  if (auto s = i->check_format(); !s) return s.error();
  if (auto s = i->remove_unfinished(); !s) return s.error();
  if (auto s = i->load_sealed(); !s) return s.error();
  return std::unique_ptr<history>{new history{std::move(i)}};
}

history::view_ptr history::look() const {
  const std::shared_lock hold{impl_->ingest_mutex};
  return std::make_shared<const view>(*impl_->db, impl_->sealed);
}

const sealed_position& history::sealed(const view_ptr& at) {
  return at->sealed();
}

sealed_end history::sealed(const view_ptr& at, std::uint16_t shard) {
  const auto& shards = at->sealed().shards;
  const auto found = shards.find(shard);
  return found == shards.end() ? sealed_end{} : found->second;
}

round_number history::sealed_round() const {
  const std::shared_lock hold{impl_->ingest_mutex};
  return impl_->sealed->round;
}

result<std::vector<block_facts>> history::list_blocks(std::uint16_t shard,
                                                      std::string_view merchant,
                                                      const view_ptr& at) const {
  const auto first = history_key::merchant(shard, merchant);
  const auto end = history_key::behind(shard, merchant);
  const rocksdb::Slice upper{end};
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  read.iterate_upper_bound = &upper;
  std::vector<block_facts> found;
  const std::unique_ptr<rocksdb::Iterator> it{
      impl_->db->NewIterator(read, impl_->family(history_family::blocks))};
  for (it->Seek(first); it->Valid(); it->Next()) {
    byte_reader rest{rocks::view(it->key()).substr(first.size())};
    const auto first_offset = rest.u64be();
    const auto facts = history_key::decode_facts(first_offset, rocks::view(it->value()));
    if (!facts)
      return failure{
          errc::corrupt_record,
          name_of(shard, merchant) + ": the index record of block " + std::to_string(first_offset)};
    found.push_back(*facts);
  }
  if (!it->status().ok()) return rocks::to_failure(it->status(), name_of(shard, merchant));
  return found;
}

namespace {

/// A block's values in memory while its columns are in use.
struct kept_values {
  std::vector<std::string> plain;
};

/// Adds the columns of the value 255 that are wanted.
bool split_shared(std::string_view plain, const std::vector<bool>& wanted,
                  std::vector<std::pair<std::uint8_t, std::string_view>>& given) {
  byte_reader in{plain};
  while (in.ok() && !in.at_end()) {
    const auto number = in.u8();
    const auto bytes = in.text();
    if (number < column_numbers && wanted[number]) given.emplace_back(number, bytes);
  }
  return in.ok();
}

/// Reads the wanted columns of a block.
class block_reader {
 public:
  block_reader(std::uint16_t shard, std::string_view merchant, const block_facts& block)
      : shard_{shard},
        merchant_{merchant},
        block_{block},
        name_{name_of(shard, merchant, block)},
        keep_{std::make_shared<kept_values>()} {}

  result<whole_columns> read(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                             const rocksdb::ReadOptions& how, const std::vector<bool>& wanted) {
    std::vector<std::uint8_t> numbers{history_key::shared_columns};
    for (const auto number : block_.own_columns)
      if (number < column_numbers && wanted[number]) numbers.push_back(number);
    keep_->plain.reserve(numbers.size());  // what is given points into them
    for (const auto number : numbers)
      if (auto added = add(db, family, how, number, wanted); !added) return added.error();
    whole_columns columns;
    if (!decode_columns(block_.rows, given_, wanted, columns))
      return failure{errc::corrupt_record, name_};
    columns.events.newest_before_ms = block_.newest_before_ms;
    columns.events.keep = std::move(keep_);
    return columns;
  }

 private:
  status add(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, const rocksdb::ReadOptions& how,
             std::uint8_t number, const std::vector<bool>& wanted) {
    rocksdb::PinnableSlice value;
    const auto where = name_ + " column " + std::to_string(number);
    const auto key = history_key::column(shard_, merchant_, block_.first_offset, number);
    const auto s = db.Get(how, family, key, &value);
    if (s.IsNotFound()) return failure{errc::corrupt_record, where + " is missing"};
    if (!s.ok()) return rocks::to_failure(s, where);
    auto plain = unpack_value(rocks::view(value));
    if (!plain) return failure{errc::corrupt_record, where};
    const auto& kept = keep_->plain.emplace_back(std::move(*plain));
    if (number != history_key::shared_columns) {
      given_.emplace_back(number, kept);
    } else if (!split_shared(kept, wanted, given_)) {
      return failure{errc::corrupt_record, where};
    }
    return done{};
  }

  std::uint16_t shard_;
  std::string_view merchant_;
  const block_facts& block_;
  std::string name_;
  std::shared_ptr<kept_values> keep_;
  std::vector<std::pair<std::uint8_t, std::string_view>> given_;
};

}  // namespace

result<event_columns> history::read_columns(std::uint16_t shard, std::string_view merchant,
                                            const block_facts& block, const column_wish& wish,
                                            const view_ptr& at) const {
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  auto columns = block_reader{shard, merchant, block}.read(
      *impl_->db, impl_->family(history_family::columns), read, columns_for(wish));
  if (!columns) return columns.error();
  add_properties(columns->events, wish.properties);
  return std::move(columns->events);
}

result<whole_columns> history::read_whole(std::uint16_t shard, std::string_view merchant,
                                          const block_facts& block, const view_ptr& at) const {
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  read.fill_cache = false;
  return block_reader{shard, merchant, block}.read(
      *impl_->db, impl_->family(history_family::columns), read, all_columns());
}

status history::for_each_event(std::uint16_t shard, std::string_view merchant,
                               std::uint64_t from_offset, const event_visitor& f,
                               const view_ptr& at) const {
  const auto seen = at ? at : look();  // the index and the blocks of one moment
  const auto blocks = list_blocks(shard, merchant, seen);
  if (!blocks) return blocks.error();
  event scratch;
  std::string bytes;
  for (const auto& block : *blocks) {
    if (block.last_offset < from_offset) continue;
    const auto columns = read_whole(shard, merchant, block, seen);
    if (!columns) return columns.error();
    const auto& offsets = columns->events.number(number_field::offset);
    const auto& stamped = columns->events.number(number_field::stamped_at);
    for (std::size_t row = 0; row < block.rows; ++row) {
      const auto offset = static_cast<std::uint64_t>(offsets[row]);
      if (offset < from_offset) continue;
      bytes.clear();
      append_event(*columns, merchant, row, scratch, bytes);
      if (!f(offset, time_from_ms(stamped[row]), bytes)) return done{};
    }
  }
  return done{};
}

result<std::vector<std::string>> history::list_merchants(std::uint16_t shard,
                                                         std::string_view after, std::size_t limit,
                                                         const view_ptr& at) const {
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  std::vector<std::string> found;
  const std::unique_ptr<rocksdb::Iterator> it{
      impl_->db->NewIterator(read, impl_->family(history_family::blocks))};
  auto next = history_key::shard(shard);
  if (after.empty()) {
    next.back() = 1;
  } else {
    next = history_key::behind(shard, after);
  }
  for (it->Seek(next); it->Valid() && found.size() < limit; it->Seek(next)) {
    const auto key = rocks::view(it->key());
    if (byte_reader{key}.u16be() != shard) break;
    const auto merchant = history_key::merchant_of(key);
    if (!merchant || merchant->empty())
      return failure{errc::corrupt_record, "history key " + it->key().ToString(true)};
    found.emplace_back(*merchant);
    next = history_key::behind(shard, found.back());
  }
  if (!it->status().ok())
    return rocks::to_failure(it->status(), "history of shard " + std::to_string(shard));
  return found;
}

status history::scan_raw(std::uint16_t shard, history_part part, std::string_view after,
                         const std::function<bool(std::string_view key, std::string_view value)>& f,
                         const view_ptr& at) const {
  const auto keys = history_key::all_of(shard);
  const rocksdb::Slice upper{keys.end};
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  read.iterate_upper_bound = &upper;
  read.fill_cache = false;
  const auto where =
      part == history_part::blocks ? history_family::blocks : history_family::columns;
  const std::unique_ptr<rocksdb::Iterator> it{impl_->db->NewIterator(read, impl_->family(where))};
  for (it->Seek(rocks::slice(std::max(std::string_view{keys.first}, after))); it->Valid();
       it->Next()) {
    if (rocks::view(it->key()) == after) continue;
    if (!f(rocks::view(it->key()), rocks::view(it->value()))) return done{};
  }
  return rocks::to_status(it->status(), "history of shard " + std::to_string(shard));
}

std::uint64_t history::bytes() const {
  std::uint64_t sum = 0;
  for (auto* f : impl_->families) {
    std::uint64_t bytes = 0;
    if (impl_->db->GetIntProperty(f, rocksdb::DB::Properties::kTotalSstFilesSize, &bytes))
      sum += bytes;
  }
  return sum;
}

status history::checkpoint(const std::string& directory) const {
  return rocks::checkpoint(*impl_->db, directory);
}

}  // namespace tally::persistence
