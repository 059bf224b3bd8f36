#include "persistence/state_store.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <array>
#include <limits>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "persistence/rocks.hpp"
#include "persistence/row_merge.hpp"
#include "persistence/state_keys.hpp"

namespace tally::persistence {

namespace {

constexpr std::uint32_t state_format = 1;
constexpr std::string_view format_key = "format";
constexpr std::uint64_t mebibyte = 1ull << 20;
constexpr int open_files_max = 2'000;

/// Families by their place in `family_names`.
enum family : std::size_t { fallback, totals, snapshot, ids, rejects, family_count };
constexpr std::array<const char*, family_count> family_names{"default", "totals", "snapshot", "ids",
                                                             "rejects"};

rocksdb::ColumnFamilyOptions family_options(family which, const state_options& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = options.memtable_bytes;
  o.max_write_buffer_number = 2;
  o.compression = rocksdb::kLZ4Compression;
  o.bottommost_compression = rocksdb::kZSTD;
  // A block that cannot be read fails its compaction again and again; writes go on meanwhile.
  o.level0_slowdown_writes_trigger = 200;
  o.level0_stop_writes_trigger = 1 << 20;
  o.soft_pending_compaction_bytes_limit = 0;
  o.hard_pending_compaction_bytes_limit = 0;
  if (which == totals) o.merge_operator = make_row_merge();
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  // Index and filter in small parts: a sleeping merchant's part is read when it is asked, and the
  // cache holds no more of the others.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  if (which == snapshot) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

failure damaged(const state_owner& owner, std::string_view what) {
  return {errc::corrupt_record, state_key::name_of(owner) + ": " + std::string{what}};
}

}  // namespace

struct state_store::batch::impl {
  /// The store's families are not known yet: the number stands for the handle until write().
  struct op {
    enum class kind { put, merge, drop, drop_range } what;
    family where;
    std::string key, value;  // of a range: first and end
  };
  std::vector<op> ops;
  std::size_t bytes = 0;

  void add(op::kind what, family where, std::string key, std::string value) {
    bytes += key.size() + value.size();
    ops.push_back({what, where, std::move(key), std::move(value)});
  }
  void drop(family where, state_key::range r) {
    add(op::kind::drop_range, where, std::move(r.first), std::move(r.end));
  }
};

struct state_store::impl {
  state_options options;
  std::shared_ptr<rocks::error_watch> watch = std::make_shared<rocks::error_watch>(true);
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, family_count> families{};
  bool is_new = false;

  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl() {
    for (auto* f : families)
      if (f != nullptr) db->DestroyColumnFamilyHandle(f);
  }

  [[nodiscard]] status open_database();
  [[nodiscard]] status check_format();
  [[nodiscard]] rocksdb::DBOptions database_options() const;

  using visitor = std::function<bool(std::string_view key, std::string_view value)>;
  /// Visits the values of a range of one owner, each checked, until f gives false.
  [[nodiscard]] status scan(family where, const state_owner& owner, const state_key::range& r,
                            const rocksdb::Snapshot* at, const visitor& f) const;
};

class state_store::view {
 public:
  explicit view(rocksdb::DB& db) : db_{&db}, taken_{db.GetSnapshot()} {}
  view(const view&) = delete;
  view& operator=(const view&) = delete;
  ~view() { db_->ReleaseSnapshot(taken_); }
  [[nodiscard]] const rocksdb::Snapshot* taken() const { return taken_; }
  [[nodiscard]] static const rocksdb::Snapshot* of(const view_ptr& v) {
    return v ? v->taken() : nullptr;
  }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* taken_;
};

rocksdb::DBOptions state_store::impl::database_options() const {
  rocksdb::DBOptions o;
  if (options.env != nullptr) o.env = options.env;
  o.create_if_missing = !options.read_only;
  o.create_missing_column_families = !options.read_only;
  o.atomic_flush = true;
  o.paranoid_checks = true;  // without it a flush that fails is waited for without end
  o.max_open_files = open_files_max;
  o.max_background_jobs = 2;
  o.bytes_per_sync = mebibyte;
  o.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(3 * options.memtable_bytes);
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  o.keep_log_file_num = 3;
  o.max_log_file_size = 8 * mebibyte;
  o.listeners.push_back(watch);
  if (options.read_only) o.info_log = rocks::silent_logger();
  return o;
}

status state_store::impl::open_database() {
  const auto db_options = database_options();
  if (options.read_only && !rocks::has_database(*db_options.env, options.path))
    return failure{errc::not_found, options.path + " holds no state"};
  const auto cache = rocksdb::NewLRUCache(options.cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t i = 0; i < family_count; ++i)
    descriptors.emplace_back(family_names[i],
                             family_options(static_cast<family>(i), options, cache));
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto s = options.read_only
                     ? rocksdb::DB::OpenForReadOnly(rocksdb::Options{db_options, {}}, options.path,
                                                    descriptors, &handles, &opened)
                     : rocksdb::DB::Open(db_options, options.path, descriptors, &handles, &opened);
  if (!s.ok()) return rocks::to_failure(s, options.path);
  db.reset(opened);
  std::copy(handles.begin(), handles.end(), families.begin());
  return done{};
}

status state_store::impl::check_format() {
  std::string version;
  const auto s = db->Get({}, families[fallback], rocks::slice(format_key), &version);
  if (!s.ok() && !s.IsNotFound()) return rocks::to_failure(s, options.path);
  if (s.ok()) {
    if (const auto v = byte_reader{version}.u32be(); v != state_format)
      return failure{errc::unsupported, options.path + ": state format " + std::to_string(v)};
    return done{};
  }
  if (options.read_only) return failure{errc::not_found, options.path + " holds no state"};
  is_new = true;
  byte_writer{version}.u32be(state_format);
  rocksdb::WriteOptions no_wal;
  no_wal.disableWAL = true;
  if (auto put = db->Put(no_wal, families[fallback], rocks::slice(format_key), version); !put.ok())
    return rocks::to_failure(put, options.path);
  return done{};
}

status state_store::impl::scan(family where, const state_owner& owner, const state_key::range& r,
                               const rocksdb::Snapshot* at, const visitor& f) const {
  rocksdb::ReadOptions read;
  read.snapshot = at;
  const rocksdb::Slice end{r.end};
  read.iterate_upper_bound = &end;
  const std::unique_ptr<rocksdb::Iterator> it{db->NewIterator(read, families[where])};
  for (it->Seek(r.first); it->Valid(); it->Next()) {
    const auto value = rocks::without_crc(rocks::view(it->value()));
    if (!value)
      return damaged(owner, std::string{family_names[where]} + " key " + it->key().ToString(true));
    if (!f(rocks::view(it->key()), *value)) return done{};
  }
  if (it->status().ok()) return done{};
  return rocks::to_failure(it->status(), state_key::name_of(owner) + " in " + family_names[where]);
}

state_store::batch::batch() : impl_{std::make_unique<impl>()} {}
state_store::batch::~batch() = default;
state_store::batch::batch(batch&&) noexcept = default;
state_store::batch& state_store::batch::operator=(batch&&) noexcept = default;

void state_store::batch::add_row(const state_owner& owner, const row_address& at,
                                 std::string_view delta) {
  impl_->add(impl::op::kind::merge, totals, state_key::row(owner, at), rocks::with_crc(delta));
}

void state_store::batch::drop_rows(const state_owner& owner, const row_address& before) {
  auto first = before;
  first.begin = bucket_time{std::chrono::seconds{std::numeric_limits<std::int64_t>::min()}};
  impl_->drop(totals, state_key::rows(owner, first, before.begin));
}

void state_store::batch::put_page(const state_owner& owner, std::uint8_t part, std::uint32_t page,
                                  std::string_view bytes) {
  impl_->add(impl::op::kind::put, snapshot, state_key::page(owner, part, page),
             rocks::with_crc(bytes));
}

void state_store::batch::drop_page(const state_owner& owner, std::uint8_t part,
                                   std::uint32_t page) {
  impl_->add(impl::op::kind::drop, snapshot, state_key::page(owner, part, page), {});
}

void state_store::batch::put_ids(const state_owner& owner, const id_run_address& at,
                                 std::string_view bytes) {
  impl_->add(impl::op::kind::put, ids, state_key::ids(owner, at), rocks::with_crc(bytes));
}

void state_store::batch::put_reject(const state_owner& owner, std::uint64_t offset,
                                    std::string_view bytes) {
  impl_->add(impl::op::kind::put, rejects, state_key::reject(owner, offset),
             rocks::with_crc(bytes));
}

void state_store::batch::drop_reject(const state_owner& owner, std::uint64_t offset) {
  impl_->add(impl::op::kind::drop, rejects, state_key::reject(owner, offset), {});
}

void state_store::batch::drop_owner(const state_owner& owner, bool ids_too) {
  for (const auto where : {totals, snapshot, rejects}) impl_->drop(where, state_key::all_of(owner));
  if (ids_too) impl_->drop(ids, state_key::all_ids(owner));
}

std::size_t state_store::batch::bytes() const {
  return impl_->bytes;
}

state_store::state_store(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
state_store::~state_store() = default;

bool state_store::is_new() const {
  return impl_->is_new;
}

result<std::unique_ptr<state_store>> state_store::open(const state_options& options) {
  auto i = std::make_unique<impl>();
  i->options = options;
  if (auto s = i->open_database(); !s) return s.error();
  if (auto s = i->check_format(); !s) return s.error();
  return std::unique_ptr<state_store>{new state_store{std::move(i)}};
}

status state_store::write(batch&& b) {
  ensure(!impl_->options.read_only, "write to a state store that is read only");
  rocksdb::WriteBatch out{b.bytes() + 64 * b.impl_->ops.size()};
  for (const auto& op : b.impl_->ops) {
    auto* family = impl_->families[op.where];
    switch (op.what) {
      case batch::impl::op::kind::put:
        out.Put(family, op.key, op.value);
        break;
      case batch::impl::op::kind::merge:
        out.Merge(family, op.key, op.value);
        break;
      case batch::impl::op::kind::drop:
        out.Delete(family, op.key);
        break;
      case batch::impl::op::kind::drop_range:
        out.DeleteRange(family, op.key, op.value);
        break;
    }
  }
  b.impl_->ops.clear();
  b.impl_->bytes = 0;
  rocksdb::WriteOptions no_wal;
  no_wal.disableWAL = true;
  return rocks::to_status(impl_->db->Write(no_wal, &out), impl_->options.path + " write");
}

state_store::view_ptr state_store::look() const {
  return std::make_shared<const view>(*impl_->db);
}

result<std::string> state_store::read_page(const state_owner& owner, std::uint8_t part,
                                           std::uint32_t page, const view_ptr& at) const {
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  std::string bytes;
  const auto s =
      impl_->db->Get(read, impl_->families[snapshot], state_key::page(owner, part, page), &bytes);
  const auto where = "page " + std::to_string(part) + "/" + std::to_string(page);
  if (!s.ok()) return rocks::to_failure(s, state_key::name_of(owner) + " " + where);
  const auto content = rocks::without_crc(bytes);
  if (!content) return damaged(owner, where);
  bytes.resize(content->size());
  return bytes;
}

status state_store::scan_pages(
    const state_owner& owner, std::uint8_t part,
    const std::function<bool(std::uint32_t page, std::string_view)>& f) const {
  return impl_->scan(snapshot, owner, state_key::pages(owner, part), nullptr,
                     [&](std::string_view key, std::string_view value) {
                       return f(byte_reader{key.substr(key.size() - 4)}.u32be(), value);
                     });
}

status state_store::scan_rows(
    const state_owner& owner, const row_address& from, bucket_time to, const view_ptr& at,
    const std::function<bool(bucket_time begin, std::string_view)>& f) const {
  return impl_->scan(totals, owner, state_key::rows(owner, from, to), view::of(at),
                     [&](std::string_view key, std::string_view value) {
                       const auto begin = byte_reader{key.substr(key.size() - 8)}.i64be();
                       return f(bucket_time{std::chrono::seconds{begin}}, value);
                     });
}

status state_store::scan_all_rows(
    const state_owner& owner, const view_ptr& at,
    const std::function<bool(const row_address&, std::string_view)>& f) const {
  const auto r = state_key::all_of(owner);
  bool readable = true;
  auto s = impl_->scan(totals, owner, r, view::of(at),
                       [&](std::string_view key, std::string_view value) {
                         const auto row = state_key::row_of(key.substr(r.first.size()));
                         readable = row.has_value();
                         return readable && f(*row, value);
                       });
  if (!readable) return damaged(owner, "a totals key that cannot be read");
  return s;
}

status state_store::scan_ids(
    const state_owner& owner, const id_run_address& from, std::int64_t to,
    const std::function<bool(const id_run_address&, std::string_view)>& f) const {
  return impl_->scan(ids, owner, state_key::ids(owner, from, to), nullptr,
                     [&](std::string_view key, std::string_view value) {
                       byte_reader in{key.substr(key.size() - 18)};
                       id_run_address run;
                       run.id_class = in.u8();
                       run.width = in.u8();
                       run.slice = in.i64be();
                       run.base = in.u64be();
                       return f(run, value);
                     });
}

status state_store::scan_rejects(
    const state_owner& owner, std::uint64_t from,
    const std::function<bool(std::uint64_t offset, std::string_view)>& f) const {
  return impl_->scan(rejects, owner, {state_key::reject(owner, from), state_key::all_of(owner).end},
                     nullptr, [&](std::string_view key, std::string_view value) {
                       return f(byte_reader{key.substr(key.size() - 8)}.u64be(), value);
                     });
}

result<std::vector<state_owner>> state_store::list_owners(std::uint16_t shard,
                                                          std::uint32_t generation,
                                                          std::string_view after,
                                                          std::size_t limit) const {
  const auto begin_of = [&](std::string_view merchant) {
    return state_key::all_of({shard, generation, std::string{merchant}});
  };
  constexpr std::size_t steps_max = 8;  // then a seek is cheaper than walking over pages
  std::vector<state_owner> found;
  const std::unique_ptr<rocksdb::Iterator> it{
      impl_->db->NewIterator({}, impl_->families[snapshot])};
  auto next = after.empty() ? begin_of("").first : begin_of(after).end;
  for (it->Seek(next); it->Valid() && found.size() < limit;) {
    auto rest = rocks::view(it->key());
    const auto owner = state_key::take_owner(rest);
    if (!owner) return failure{errc::corrupt_record, "snapshot key " + it->key().ToString(true)};
    if (owner->shard != shard || owner->generation != generation) break;
    if (rest == std::string_view{"\0\0\0\0\0", 5}) found.push_back(*owner);
    next = begin_of(owner->merchant).end;
    std::size_t steps = 0;
    while (it->Valid() && rocks::view(it->key()) < next && steps++ < steps_max) it->Next();
    if (it->Valid() && rocks::view(it->key()) < next) it->Seek(next);
  }
  if (!it->status().ok()) return rocks::to_failure(it->status(), "snapshot");
  return found;
}

namespace {

constexpr family family_of(state_part part) {
  return static_cast<family>(static_cast<std::size_t>(part) + 1);
}
static_assert(family_of(state_part::totals) == totals && family_of(state_part::rejects) == rejects);

}  // namespace

status state_store::scan_raw(
    std::uint16_t shard, state_part part, std::string_view after,
    const std::function<bool(std::string_view key, std::string_view value)>& f,
    const view_ptr& at) const {
  const auto keys = state_key::all_of(shard);
  const rocksdb::Slice end{keys.end};
  rocksdb::ReadOptions read;
  read.snapshot = view::of(at);
  read.iterate_upper_bound = &end;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it{
      impl_->db->NewIterator(read, impl_->families[family_of(part)])};
  for (it->Seek(rocks::slice(std::max(std::string_view{keys.first}, after))); it->Valid();
       it->Next()) {
    if (rocks::view(it->key()) == after) continue;
    if (!f(rocks::view(it->key()), rocks::view(it->value()))) return done{};
  }
  return rocks::to_status(it->status(), "state of shard " + std::to_string(shard));
}

status state_store::replace_shard(std::uint16_t shard, const part_source& from) {
  constexpr std::size_t batch_bytes = 4 * mebibyte;
  const auto keys = state_key::all_of(shard);
  rocksdb::WriteOptions no_wal;
  no_wal.disableWAL = true;
  rocksdb::WriteBatch out;
  for (const auto part :
       {state_part::totals, state_part::snapshot, state_part::ids, state_part::rejects})
    out.DeleteRange(impl_->families[family_of(part)], keys.first, keys.end);
  state_part part{};
  std::string key, value;
  for (bool more = true; more;) {
    const auto given = from(part, key, value);
    if (!given) return given.error();
    more = *given;
    if (more && (key < keys.first || key >= keys.end))
      return failure{errc::corrupt_record, "a copied state has keys that are not its own"};
    if (more) out.Put(impl_->families[family_of(part)], key, value);
    if (more && out.GetDataSize() < batch_bytes) continue;
    const auto s = impl_->db->Write(no_wal, &out);
    if (!s.ok()) return rocks::to_failure(s, impl_->options.path + " write");
    out.Clear();
  }
  return flush();
}

status state_store::flush() {
  const std::vector<rocksdb::ColumnFamilyHandle*> all{impl_->families.begin(),
                                                      impl_->families.end()};
  return rocks::to_status(impl_->db->Flush({}, all), impl_->options.path + " flush");
}

std::uint64_t state_store::bytes() const {
  std::uint64_t sum = 0;
  for (auto* f : impl_->families) {
    for (const auto& property : {rocksdb::DB::Properties::kTotalSstFilesSize,
                                 rocksdb::DB::Properties::kCurSizeAllMemTables}) {
      std::uint64_t bytes = 0;
      if (impl_->db->GetIntProperty(f, property, &bytes)) sum += bytes;
    }
  }
  return sum;
}

status state_store::checkpoint(const std::string& directory) const {
  return rocks::checkpoint(*impl_->db, directory);
}

}  // namespace tally::persistence
