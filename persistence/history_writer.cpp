#include <rocksdb/sst_file_writer.h>

#include <algorithm>
#include <map>
#include <optional>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "persistence/history_impl.hpp"
#include "persistence/history_keys.hpp"

namespace tally::persistence {
namespace {

constexpr std::size_t own_column_from_bytes = 1'024;

/// What is to be at some keys afterwards; nothing: the key is deleted.
using changes = std::map<std::string, std::optional<std::string>>;

/// One file that is being made.
class table_file {
 public:
  table_file(const rocksdb::Options& options, std::string path)
      : path_{std::move(path)}, writer_{rocksdb::EnvOptions{}, options} {}

  status open() { return rocks::to_status(writer_.Open(path_), path_); }
  status add(const changes& all) {
    for (const auto& [key, value] : all) {
      const auto s = value ? writer_.Put(key, *value) : writer_.Delete(key);
      if (!s.ok()) return rocks::to_failure(s, path_);
      ++entries_;
    }
    return done{};
  }
  status remove(const history_key::range& keys) {
    ++entries_;
    return rocks::to_status(writer_.DeleteRange(keys.first, keys.end), path_);
  }
  status add(const std::string& key, const std::string& value) {
    ++entries_;
    return rocks::to_status(writer_.Put(key, value), path_);
  }
  status finish() { return rocks::to_status(writer_.Finish(), path_); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool empty() const { return entries_ == 0; }

 private:
  std::string path_;
  rocksdb::SstFileWriter writer_;
  std::size_t entries_ = 0;
};

/// Facts of the events themselves.
block_facts facts_of(const event_columns& events) {
  block_facts facts;
  const auto& offsets = events.number(number_field::offset);
  const auto& times = events.number(number_field::at);
  const auto& outcomes = events.number(number_field::outcome);
  facts.rows = static_cast<std::uint32_t>(events.rows);
  facts.first_offset = static_cast<std::uint64_t>(offsets.front());
  facts.last_offset = static_cast<std::uint64_t>(offsets.back());
  for (std::size_t row = 0; row < events.rows; ++row) {
    if (outcomes[row] != static_cast<std::int64_t>(row_outcome::fresh)) continue;
    facts.oldest_ms = std::min(facts.oldest_ms, times[row]);
    facts.newest_ms = std::max(facts.newest_ms, times[row]);
  }
  return facts;
}

}  // namespace

struct history_writer::impl {
  history::impl* to = nullptr;
  seal_hook hook;
  std::optional<table_file> blocks, columns;
  sealed_position sealed;
  std::string last_key;  // keys must ascend
  bool committed = false;

  void at(std::string_view step) const {
    if (hook) hook(step);
  }
  static void put_block(std::uint16_t shard, std::string_view merchant, const new_block& block,
                        std::int64_t newest_before_ms, changes& index, changes& values);
};

history_writer::history_writer(std::unique_ptr<impl> i) : impl_{std::move(i)} {}

history_writer::~history_writer() {
  if (!impl_) return;
  for (const auto* file : {&impl_->blocks, &impl_->columns}) {
    if (!*file) continue;
    // After a commit they are links that the database took over; what stays, open() removes.
    (void)impl_->to->env->DeleteFile((*file)->path());
  }
  const std::unique_lock hold{impl_->to->ingest_mutex};
  impl_->to->is_writing = false;
}

result<std::unique_ptr<history_writer>> history_writer::begin(history& to, seal_hook hook) {
  auto& h = *to.impl_;
  ensure(!h.options.read_only, "a writer of a history that is read only");
  {
    const std::unique_lock hold{h.ingest_mutex};
    ensure(!h.is_writing, "two writers of one history");
    h.is_writing = true;
  }
  auto i = std::make_unique<impl>();
  i->to = &h;
  i->hook = std::move(hook);
  i->sealed = *h.sealed;
  const auto number = "-" + std::to_string(++h.files_begun) + ".sst";
  std::unique_ptr<history_writer> made{new history_writer{std::move(i)}};
  auto& w = *made->impl_;
  w.at("open");
  w.blocks.emplace(h.db->GetOptions(h.family(history_family::blocks)),
                   h.making() + "/blocks" + number);
  if (auto s = w.blocks->open(); !s) return s.error();
  w.columns.emplace(h.db->GetOptions(h.family(history_family::columns)),
                    h.making() + "/columns" + number);
  if (auto s = w.columns->open(); !s) return s.error();
  return made;
}

status history_writer::put_sealed(std::uint16_t shard, const sealed_end& end) {
  auto key = history_key::shard(shard);
  ensure(key > impl_->last_key, "shards out of order");
  impl_->sealed.shards[shard] = end;
  impl_->last_key = key;
  return impl_->blocks->add({{std::move(key), history_key::encode(end)}});
}

void history_writer::impl::put_block(std::uint16_t shard, std::string_view merchant,
                                     const new_block& block, std::int64_t newest_before_ms,
                                     changes& index, changes& values) {
  auto facts = facts_of(block.columns.events);
  facts.event_bytes = block.event_bytes;
  facts.newest_before_ms = newest_before_ms;
  const auto key_of = [&](std::uint8_t number) {
    return history_key::column(shard, merchant, facts.first_offset, number);
  };
  std::string shared;
  byte_writer out{shared};
  for (const auto& column : encode_columns(block.columns)) {
    if (facts.rows < own_columns_from_rows || column.bytes.size() < own_column_from_bytes) {
      out.u8(column.number);
      out.text(column.bytes);
      continue;
    }
    facts.own_columns.push_back(column.number);
    auto& value = values[key_of(column.number)];
    value = pack_value(column.bytes);
    facts.bytes += value->size();
  }
  auto& rest = values[key_of(history_key::shared_columns)];
  rest = pack_value(shared);
  facts.bytes += rest->size();
  index[history_key::block(shard, merchant, facts.first_offset)] = history_key::encode(facts);
}

status history_writer::replace(std::uint16_t shard, std::string_view merchant,
                               const std::vector<block_facts>& old,
                               const std::vector<new_block>& blocks,
                               std::int64_t newest_before_ms) {
  auto first = history_key::merchant(shard, merchant);
  ensure(first > impl_->last_key, "merchants out of order");
  impl_->last_key = std::move(first);
  changes index, values;
  for (const auto& block : old) {
    index[history_key::block(shard, merchant, block.first_offset)] = std::nullopt;
    for (const auto number : block.own_columns)
      values[history_key::column(shard, merchant, block.first_offset, number)] = std::nullopt;
    values[history_key::column(shard, merchant, block.first_offset, history_key::shared_columns)] =
        std::nullopt;
  }
  for (const auto& block : blocks) {
    impl::put_block(shard, merchant, block, newest_before_ms, index, values);
    const auto& events = block.columns.events;
    newest_before_ms = std::max(newest_before_ms, facts_of(events).newest_ms);
  }
  if (auto s = impl_->blocks->add(index); !s) return s;
  return impl_->columns->add(values);
}

namespace {

/// Moves all that the source gives into the file.
status take_raw(const history_key::range& keys, const raw_source& from, table_file& to,
                const std::function<status(std::string_view key, std::string_view value)>& look) {
  if (auto s = to.remove(keys); !s) return s;
  std::string key, value, before;
  for (;;) {
    const auto more = from(key, value);
    if (!more) return more.error();
    if (!*more) return done{};
    if (key < keys.first || key >= keys.end || key <= before)
      return failure{errc::corrupt_record, "a copied history has keys that are not its own"};
    if (auto s = look(key, value); !s) return s;
    if (auto s = to.add(key, value); !s) return s;
    std::swap(key, before);
  }
}

}  // namespace

status history_writer::replace_shard(std::uint16_t shard, const raw_source& blocks,
                                     const raw_source& columns) {
  auto& w = *impl_;
  const auto keys = history_key::all_of(shard);
  ensure(keys.first > w.last_key, "shards out of order");
  w.last_key = keys.end;
  w.sealed.shards.erase(shard);
  const auto look = [&](std::string_view key, std::string_view value) {
    if (key != history_key::shard(shard)) return status{done{}};
    const auto end = history_key::decode_end(value);
    if (!end)
      return status{failure{errc::corrupt_record, "a copied history has no end that can be read"}};
    w.sealed.shards[shard] = *end;
    return status{done{}};
  };
  if (auto s = take_raw(keys, blocks, *w.blocks, look); !s) return s;
  return take_raw(keys, columns, *w.columns, [](auto, auto) { return status{done{}}; });
}

status history_writer::commit(round_number round) {
  auto& w = *impl_;
  auto& h = *w.to;
  if (round > 0) w.sealed.round = round;
  const changes last{
      {std::string{history_key::round()}, history_key::encode_round(w.sealed.round)}};
  if (auto s = w.blocks->add(last); !s) return s;
  w.at("finish");
  if (auto s = w.blocks->finish(); !s) return s;
  rocksdb::IngestExternalFileOptions taken_over;
  taken_over.move_files = true;
  taken_over.write_global_seqno = false;
  std::vector<rocksdb::IngestExternalFileArg> files(1);
  files[0].column_family = h.family(history_family::blocks);
  files[0].external_files = {w.blocks->path()};
  files[0].options = taken_over;
  if (!w.columns->empty()) {  // a file without entries cannot be finished
    w.at("finish columns");
    if (auto s = w.columns->finish(); !s) return s;
    files.push_back(files[0]);
    files[1].column_family = h.family(history_family::columns);
    files[1].external_files = {w.columns->path()};
  }
  w.at("ingest");
  {
    const std::unique_lock hold{h.ingest_mutex};
    h.files->keep_tables = true;
    const auto s = h.db->IngestExternalFiles(files);
    h.files->keep_tables = false;
    if (!s.ok()) return rocks::to_failure(s, h.options.path + " ingest");
    h.sealed = std::make_shared<const sealed_position>(w.sealed);
  }
  w.at("done");
  return done{};
}

}  // namespace tally::persistence
