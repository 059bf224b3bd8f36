#include "persistence/state_codec.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <tuple>

#include "domain/bytes.hpp"

namespace tally::persistence {
namespace {

constexpr std::uint8_t head_version = 2;
constexpr std::uint8_t texts_version = 1;
constexpr std::uint8_t ids_version = 1;
constexpr std::uint64_t texts_max = 100'000;
// Beyond all years that events can have, and far from where sums of times overflow.
constexpr std::int64_t visit_time_max_ms = std::int64_t{1} << 52;
// A range deletion costs every later read a little: made seldom.
constexpr std::chrono::hours drop_step{12};

void encode_counts(byte_writer& out, const reason_counts& counts) {
  out.varint(counts.all().size());
  for (const auto& [name, count] : counts.all()) {
    out.text(name);
    out.zigzag(count);
  }
}

void decode_counts(byte_reader& in, reason_counts& counts) {
  const auto size = in.varint();
  if (size > texts_max) in.fail();
  for (std::uint64_t i = 0; i < size && in.ok(); ++i) {
    const std::string name{in.text()};
    counts[name] = in.zigzag64();
  }
}

void encode_texts(byte_writer& out, const text_numbers& texts) {
  out.varint(texts.all().size());
  for (const auto& t : texts.all()) out.text(t);
}

void decode_texts(byte_reader& in, text_numbers& texts) {
  const auto size = in.varint();
  if (size > texts_max) in.fail();
  for (std::uint64_t i = 0; i < size && in.ok(); ++i) texts.number(in.text(), texts_max);
}

void encode_visit(byte_writer& out, const visit& v) {
  out.u64be(v.visitor);
  out.zigzag(v.begin_ms);
  out.varint(static_cast<std::uint64_t>(v.end_ms - v.begin_ms));
  out.varint(v.pageviews);
  out.u8(static_cast<std::uint8_t>((v.interactive ? 1 : 0) | (v.cart ? 2 : 0) |
                                   (v.checkout ? 4 : 0) | (v.purchase ? 8 : 0)));
}

void encode_visits(byte_writer& out, const visit* from, const visit* to) {
  out.varint(static_cast<std::uint64_t>(to - from));
  for (; from != to; ++from) encode_visit(out, *from);
}

void decode_visits(byte_reader& in, visit_table& visits) {
  const auto count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    visit v;
    v.visitor = in.u64be();
    v.begin_ms = in.zigzag64();
    const auto length_ms = in.varint();
    if (v.begin_ms > visit_time_max_ms || v.begin_ms < -visit_time_max_ms) in.fail();
    if (length_ms > std::uint64_t{visit_time_max_ms}) in.fail();
    if (in.ok()) v.end_ms = v.begin_ms + static_cast<std::int64_t>(length_ms);
    v.pageviews = static_cast<std::uint32_t>(in.varint());
    const auto flags = in.u8();
    v.interactive = (flags & 1) != 0;
    v.cart = (flags & 2) != 0;
    v.checkout = (flags & 4) != 0;
    v.purchase = (flags & 8) != 0;
    if (v.visitor == 0) in.fail();
    if (in.ok()) visits.insert(v);
  }
}

/// The part of the head that a replay must give again.
void encode_promised(byte_writer& out, const merchant_state& s) {
  out.text(s.zone_name);
  out.text(s.currency);
  out.varint(s.applied);
  out.varint(s.events);
  out.u64be(s.digest);
  out.zigzag(s.newest_ms);
  out.zigzag(s.oldest_ms);
  out.zigzag(s.received_ms);
  out.zigzag(s.ids.newest_ms[0]);
  out.zigzag(s.ids.newest_ms[1]);
  out.zigzag(s.counts.accepted);
  out.zigzag(s.counts.duplicate);
  out.zigzag(s.counts.late);
  encode_counts(out, s.counts.rejected);
  encode_counts(out, s.counts.filtered);
  encode_texts(out, s.names);
  encode_texts(out, s.currencies);
}

std::string encode_head(const merchant_state& s, const snapshot_result& snapshot,
                        const std::vector<visit>& visits) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(head_version);
  encode_promised(out, s);
  out.zigzag(to_s(snapshot.minutes_dropped_to));
  out.u8(static_cast<std::uint8_t>(s.ids.width));
  out.zigzag(s.rejects_hour);
  out.varint(s.rejects_hour_bytes);
  out.varint(snapshot.visit_pages);
  if (snapshot.visit_pages == 0) encode_visits(out, visits.data(), visits.data() + visits.size());
  return bytes;
}

template <class Row>
void write_rows(const row_table<Row>& rows, row_kind kind, const text_numbers* tags,
                const state_owner& owner, state_store::batch& b) {
  std::string bytes;
  for (const auto& e : rows.entries()) {
    bytes.clear();
    byte_writer out{bytes};
    encode(out, e.row);
    const auto tag = tags != nullptr ? tags->all()[e.tag()] : std::string{};
    b.add_row(owner, {kind, e.width(), tag, e.begin()}, bytes);
  }
}

std::string encode_run(const id_slices::run& run) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(ids_version);
  out.varint(run.ids.size());
  for (const auto& id : run.ids) {
    out.u64be(id.hash.high);
    out.u64be(id.hash.low);
    out.varint(id.offset);
  }
  return bytes;
}

id_run_address address_of(const id_slices::run& run) {
  auto base = run.ids.front().offset;
  for (const auto& id : run.ids) base = std::min(base, id.offset);
  return {static_cast<std::uint8_t>(run.range.kind), static_cast<std::uint8_t>(run.range.width),
          run.range.begin_ms, base};
}

void drop_old_minutes(const merchant_state& s, const state_owner& owner, bucket_time before,
                      state_store::batch& b) {
  b.drop_rows(owner, {row_kind::traffic, granularity::minute, {}, before});
  b.drop_rows(owner, {row_kind::operations, granularity::minute, {}, before});
  for (const auto& currency : s.currencies.all())
    b.drop_rows(owner, {row_kind::commerce, granularity::minute, currency, before});
  for (const auto& name : s.names.all())
    b.drop_rows(owner, {row_kind::name, granularity::minute, name, before});
}

/// How many pages so many visits need. Another number than before means to write all of them, so
/// there are fewer only once far fewer would do.
std::uint32_t visit_pages_for(std::size_t visits, std::uint32_t before) {
  if (visits <= visits_in_head_max) return 0;
  std::uint32_t pages = 1;
  while (pages * visits_per_page < visits) pages *= 2;
  return before > pages && before <= pages * 4 ? before : pages;
}

/// Writes the pages that changed; `visits` are sorted, so that each page is a stretch of them.
void write_visit_pages(const std::vector<visit>& visits, const visit_table& table,
                       std::uint32_t pages, bool all, const state_owner& owner,
                       state_store::batch& b) {
  const auto bits = std::countr_zero(pages);
  const auto* from = visits.data();
  const auto* const end = from + visits.size();
  for (std::uint32_t page = 0; page < pages; ++page) {
    const auto* const to = std::find_if(
        from, end, [&](const visit& v) { return bits != 0 && v.visitor >> (64 - bits) != page; });
    const auto first = page * visit_table::groups / pages;
    const auto last = std::max(first, (page + 1) * visit_table::groups / pages - 1);
    if (all || table.touched(first, last)) {
      std::string bytes;
      byte_writer out{bytes};
      encode_visits(out, from, to);
      b.put_page(owner, visits_part, page, bytes);
    }
    from = to;
  }
}

std::vector<visit> write_visits(merchant_state& state, const state_owner& owner,
                                std::uint32_t pages_before, std::uint32_t& pages,
                                state_store::batch& b) {
  auto visits = state.visits.sorted();
  pages = visit_pages_for(visits.size(), pages_before);
  write_visit_pages(visits, state.visits, pages, pages != pages_before, owner, b);
  for (auto page = pages; page < pages_before; ++page) b.drop_page(owner, visits_part, page);
  state.visits.forget_touched();
  return visits;
}

void write_texts(seen_texts& texts, const state_owner& owner, state_store::batch& b) {
  const auto& hashes = texts.hashes();
  if (texts.saved == hashes.size()) return;
  for (auto page = texts.saved / texts_per_page; page * texts_per_page < hashes.size(); ++page) {
    const auto from = page * texts_per_page;
    const auto to = std::min(hashes.size(), from + texts_per_page);
    std::string bytes;
    byte_writer out{bytes};
    out.u8(texts_version);
    out.varint(texts.text_bytes());
    out.varint(to - from);
    for (auto i = from; i < to; ++i) out.u64be(hashes[i]);
    b.put_page(owner, texts_part, static_cast<std::uint32_t>(page), bytes);
  }
  texts.saved = hashes.size();
}

status load_texts(const state_store& store, const state_owner& owner, seen_texts& texts) {
  bool full = true;
  for (std::uint32_t page = 0; full; ++page) {
    const auto bytes = store.read_page(owner, texts_part, page);
    if (!bytes && bytes.error().code == errc::not_found) break;
    if (!bytes) return bytes.error();
    if (!decode_texts_page(*bytes, texts, full))
      return failure{errc::corrupt_record, "texts of merchant " + owner.merchant};
  }
  texts.saved = texts.hashes().size();
  return done{};
}

std::int64_t open_visit_end(const merchant_state& s, const ruleset& rules) {
  using std::chrono::milliseconds;
  if (s.newest_ms == std::numeric_limits<std::int64_t>::min()) return s.newest_ms;
  return s.newest_ms - milliseconds{rules.late_visit + rules.visit_timeout}.count();
}

/// Streams bytes into one hash.
class hasher {
 public:
  void add(std::string_view bytes) {
    value_ = XXH3_64bits_withSeed(bytes.data(), bytes.size(), value_);
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 1;
};

/// Of the ids that all generations share, those that this state has seen.
status hash_ids(const state_store& store, const state_owner& owner, std::uint64_t upto, hasher& h) {
  std::vector<seen_id> all;
  bool good = true;
  for (std::uint8_t kind = 0; kind < 2; ++kind)
    for (std::uint8_t width = 0; width < 3; ++width) {
      auto scanned = store.scan_ids(
          owner, {kind, width, std::numeric_limits<std::int64_t>::min(), 0},
          std::numeric_limits<std::int64_t>::max(), [&](const id_run_address&, std::string_view v) {
            good = good && decode_id_run(v, all);
            return good;
          });
      if (!scanned) return scanned;
    }
  if (!good) return failure{errc::corrupt_record, "ids of merchant " + owner.merchant};
  std::erase_if(all, [upto](const seen_id& id) { return id.offset > upto; });
  // An id without a client timestamp is new again after its window, so a hash may come twice.
  std::sort(all.begin(), all.end(), [](const seen_id& a, const seen_id& b) {
    return std::tie(a.hash, a.offset) < std::tie(b.hash, b.offset);
  });
  std::string bytes;
  byte_writer out{bytes};
  for (const auto& id : all) {
    out.u64be(id.hash.high);
    out.u64be(id.hash.low);
    out.u64be(id.offset);
  }
  h.add(bytes);
  return done{};
}

}  // namespace

bool decode_head(std::string_view bytes, loaded_state& into) {
  byte_reader in{bytes};
  auto& s = into.state;
  const auto version = in.u8();
  if (version == 0 || version > head_version) return false;
  const auto zone_name = in.text();
  const auto* z = zone::find(zone_name);
  if (z == nullptr) return false;
  s.set_reporting(*z, zone_name, in.text());
  s.applied = in.varint();
  s.events = in.varint();
  s.digest = in.u64be();
  s.newest_ms = in.zigzag64();
  s.oldest_ms = in.zigzag64();
  s.received_ms = in.zigzag64();
  s.ids.newest_ms[0] = in.zigzag64();
  s.ids.newest_ms[1] = in.zigzag64();
  s.counts.accepted = in.zigzag64();
  s.counts.duplicate = in.zigzag64();
  s.counts.late = in.zigzag64();
  decode_counts(in, s.counts.rejected);
  decode_counts(in, s.counts.filtered);
  decode_texts(in, s.names);
  decode_texts(in, s.currencies);
  into.snapshot.minutes_dropped_to = bucket_time{std::chrono::seconds{in.zigzag64()}};
  s.ids.width = static_cast<slice_width>(std::min<std::uint8_t>(2, in.u8()));
  if (version > 1) {
    s.rejects_hour = in.zigzag64();
    s.rejects_hour_bytes = in.varint();
  }
  into.snapshot.visit_pages = static_cast<std::uint32_t>(in.varint());
  if (into.snapshot.visit_pages == 0) decode_visits(in, s.visits);
  return in.ok() && in.at_end();
}

bool decode_visits_page(std::string_view bytes, visit_table& visits) {
  byte_reader in{bytes};
  decode_visits(in, visits);
  return in.ok() && in.at_end();
}

bool decode_texts_page(std::string_view bytes, seen_texts& texts, bool& full) {
  byte_reader in{bytes};
  if (in.u8() != texts_version) return false;
  const auto text_bytes = in.varint();
  const auto count = in.varint();
  if (count > texts_per_page || text_bytes < texts.text_bytes()) return false;
  full = count == texts_per_page;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    // The size of each is not known, only that of all.
    const auto hash = in.u64be();
    if (in.ok()) texts.add(hash, i + 1 == count ? text_bytes - texts.text_bytes() : 0);
  }
  return in.ok() && in.at_end();
}

bool decode_id_run(std::string_view bytes, std::vector<seen_id>& ids) {
  byte_reader in{bytes};
  if (in.u8() != ids_version) return false;
  const auto count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    seen_id id;
    id.hash.high = in.u64be();
    id.hash.low = in.u64be();
    id.offset = in.varint();
    ids.push_back(id);
  }
  return in.ok() && in.at_end();
}

snapshot_result write_snapshot(merchant_state& state, const state_owner& owner,
                               const snapshot_result& before, const ruleset& rules,
                               state_store::batch& b, delta_rows* written) {
  snapshot_result now = before;
  const auto rows = rolled_up(state.deltas, *state.reporting_zone);
  write_rows(rows.traffic, row_kind::traffic, nullptr, owner, b);
  write_rows(rows.commerce, row_kind::commerce, &state.currencies, owner, b);
  write_rows(rows.names, row_kind::name, &state.names, owner, b);
  write_rows(rows.operations, row_kind::operations, nullptr, owner, b);
  for (const auto& run : state.ids.take_fresh()) b.put_ids(owner, address_of(run), encode_run(run));
  for (const auto& r : state.rejects) b.put_reject(owner, r.offset, r.bytes);
  if (state.newest_ms != std::numeric_limits<std::int64_t>::min() &&
      state.minute_horizon() - before.minutes_dropped_to >= drop_step) {
    now.minutes_dropped_to = state.minute_horizon();
    if (before.minutes_dropped_to != bucket_time{})
      drop_old_minutes(state, owner, now.minutes_dropped_to, b);
  }
  state.visits.expire(open_visit_end(state, rules));
  const auto visits = write_visits(state, owner, before.visit_pages, now.visit_pages, b);
  write_texts(state.texts, owner, b);
  b.put_page(owner, head_part, 0, encode_head(state, now, visits));
  auto deltas = std::exchange(state.deltas, {});
  if (written != nullptr) *written = std::move(deltas);
  state.rejects = {};
  state.unsaved_events = state.unsaved_bytes = 0;
  return now;
}

result<loaded_state> load_snapshot(const state_store& store, const state_owner& owner) {
  const auto head = store.read_page(owner, head_part, 0);
  if (!head) return head.error();
  loaded_state loaded;
  const failure corrupt{errc::corrupt_record, "snapshot of merchant " + owner.merchant};
  if (!decode_head(*head, loaded)) return corrupt;
  for (std::uint32_t page = 0; page < loaded.snapshot.visit_pages; ++page) {
    const auto bytes = store.read_page(owner, visits_part, page);
    if (!bytes) return failure{errc::corrupt_record, "visits of merchant " + owner.merchant};
    if (!decode_visits_page(*bytes, loaded.state.visits)) return corrupt;
  }
  // Pages of version 1 were cut in another way: all of them are written anew.
  if (static_cast<std::uint8_t>(head->front()) > 1) loaded.state.visits.forget_touched();
  if (const auto texts = load_texts(store, owner, loaded.state.texts); !texts) return texts.error();
  return loaded;
}

result<std::uint64_t> saved_offset(const state_store& store, const state_owner& owner,
                                   const state_store::view_ptr& at) {
  const auto head = store.read_page(owner, head_part, 0, at);
  if (!head && head.error().code == errc::not_found) return std::uint64_t{0};
  if (!head) return head.error();
  byte_reader in{*head};
  in.u8();
  in.text();
  in.text();
  const auto applied = in.varint();
  if (!in.ok()) return failure{errc::corrupt_record, "snapshot of merchant " + owner.merchant};
  return applied;
}

result<std::vector<seen_id>> load_ids(const state_store& store, const state_owner& owner,
                                      const slice_range& range) {
  std::vector<seen_id> ids;
  bool good = true;
  for (auto width : {slice_width::minute, slice_width::hour, slice_width::day}) {
    const auto step = width_ms(width);
    const auto rest = ((range.begin_ms % step) + step) % step;
    const auto scanned =
        store.scan_ids(owner,
                       {static_cast<std::uint8_t>(range.kind), static_cast<std::uint8_t>(width),
                        range.begin_ms - rest, 0},
                       range.end_ms() - 1, [&](const id_run_address&, std::string_view bytes) {
                         good = good && decode_id_run(bytes, ids);
                         return good;
                       });
    if (!scanned) return scanned.error();
  }
  if (!good) return failure{errc::corrupt_record, "ids of merchant " + owner.merchant};
  return ids;
}

result<std::uint64_t> state_hash(const merchant_state& state, const state_store& store,
                                 const state_owner& owner, const ruleset& rules) {
  hasher h;
  std::string bytes;
  byte_writer out{bytes};
  encode_promised(out, state);
  const auto open_end = open_visit_end(state, rules);
  for (const auto& v : state.visits.sorted())
    if (v.end_ms >= open_end) encode_visit(out, v);
  out.varint(state.texts.text_bytes());
  for (const auto hash : state.texts.hashes()) out.u64be(hash);
  h.add(bytes);
  const auto horizon = state.minute_horizon();
  const auto rows =
      store.scan_all_rows(owner, nullptr, [&](const row_address& at, std::string_view row) {
        if (at.width == granularity::minute && at.begin < horizon) return true;
        std::string key;
        byte_writer k{key};
        k.u8(static_cast<std::uint8_t>(at.kind));
        k.u8(static_cast<std::uint8_t>(at.width));
        k.text(at.tag);
        k.i64be(to_s(at.begin));
        h.add(key);
        h.add(row);
        return true;
      });
  if (!rows) return rows.error();
  if (const auto ids = hash_ids(store, owner, state.applied, h); !ids) return ids.error();
  return h.value();
}

}  // namespace tally::persistence
