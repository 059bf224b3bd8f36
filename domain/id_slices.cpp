#include "domain/id_slices.hpp"

#include <xxhash.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "domain/gentle_growth.hpp"

namespace tally {
namespace {

constexpr std::size_t slice_ids_max = 65'536;  // a fuller slice makes the next ones narrower
constexpr std::uint32_t loose_ids_max = 16;
constexpr std::int64_t stamped_window_slices = 24;

constexpr std::int64_t floor_to(std::int64_t ms, std::int64_t step) {
  const auto rest = ms % step;
  return ms - (rest < 0 ? rest + step : rest);
}

/// (0, 0) marks a free place in the table.
id_hash not_zero(id_hash h) {
  return h == id_hash{} ? id_hash{0, 1} : h;
}

}  // namespace

// Hashed bytes: the id, its size, the instant, the spelling, the text: no two pairs look alike.
id_hash hash_of_id(const event& e) {
  thread_local std::string bytes;
  bytes.assign(e.id);
  byte_writer out{bytes};
  out.u32be(static_cast<std::uint32_t>(e.id.size()));
  out.i64be(e.sent.form == time_form::none ? 0 : to_ms(e.sent.at));
  out.u8(static_cast<std::uint8_t>(e.sent.form));
  out.raw(e.sent.text);
  const auto h = XXH3_128bits(bytes.data(), bytes.size());
  return not_zero({h.high64, h.low64});
}

bool id_slices::slice::contains(const id_hash& h) const {
  const auto is_h = [&](const seen_id& id) { return id.hash == h; };
  if (loose != 0 && std::any_of(fresh.end() - loose, fresh.end(), is_h)) return true;
  if (table.empty()) return false;
  const auto mask = table.size() - 1;
  for (auto i = static_cast<std::size_t>(h.low) & mask; table[i] != id_hash{}; i = (i + 1) & mask)
    if (table[i] == h) return true;
  return false;
}

void id_slices::slice::insert(const id_hash& h) {
  if ((size + 1) * 4 > table.size() * 3) {
    const auto old =
        std::exchange(table, std::vector<id_hash>(std::max<std::size_t>(4, table.size() * 2)));
    size = 0;
    for (const auto& o : old)
      if (o != id_hash{}) insert(o);
  }
  const auto mask = table.size() - 1;
  auto i = static_cast<std::size_t>(h.low) & mask;
  while (table[i] != id_hash{}) {
    if (table[i] == h) return;
    i = (i + 1) & mask;
  }
  table[i] = h;
  ++size;
}

// A few ids need no table: they are looked for among the fresh ones.
void id_slices::slice::add(const seen_id& id) {
  grow_gently(fresh);
  fresh.push_back(id);
  ++loose;
  if (!table.empty() || loose > loose_ids_max) tabulate();
}

void id_slices::slice::tabulate() {
  for (; loose != 0; --loose) insert((fresh.end() - loose)->hash);
}

id_slices::slice* id_slices::find(id_class kind, std::int64_t at_ms) {
  auto after = std::upper_bound(
      slices_.begin(), slices_.end(), std::pair{kind, at_ms}, [](const auto& key, const slice& s) {
        return std::tie(key.first, key.second) < std::tie(s.range.kind, s.range.begin_ms);
      });
  if (after == slices_.begin()) return nullptr;
  auto& candidate = *std::prev(after);
  if (candidate.range.kind != kind || at_ms >= candidate.range.end_ms()) return nullptr;
  return &candidate;
}

// Widths nest, so the widest one that meets no slice already in memory is found by trying.
slice_range id_slices::range_for(id_class kind, std::int64_t at_ms) const {
  for (auto w : {slice_width::day, slice_width::hour, slice_width::minute}) {
    if (w > width && kind == id_class::client_time) continue;
    if (w != slice_width::hour && kind == id_class::stamped_time) continue;
    const slice_range r{kind, w, floor_to(at_ms, width_ms(w))};
    const bool free = std::none_of(slices_.begin(), slices_.end(), [&](const slice& s) {
      return s.range.kind == kind && s.range.begin_ms < r.end_ms() && r.begin_ms < s.range.end_ms();
    });
    if (free) return r;
  }
  return {kind, slice_width::minute, floor_to(at_ms, 60'000)};
}

id_slices::slice& id_slices::insert_sorted(slice s) {
  const auto at = std::lower_bound(
      slices_.begin(), slices_.end(), s.range, [](const slice& a, const slice_range& b) {
        return std::tie(a.range.kind, a.range.begin_ms) < std::tie(b.kind, b.begin_ms);
      });
  return *slices_.insert(at, std::move(s));
}

void id_slices::require(id_class kind, std::int64_t at_ms, std::vector<slice_range>& out) {
  if (find(kind, at_ms) != nullptr) return;
  const auto range = range_for(kind, at_ms);
  if (range.begin_ms > newest_ms[static_cast<int>(kind)]) {
    slice fresh;
    fresh.range = range;
    insert_sorted(std::move(fresh));
    return;
  }
  if (std::find(out.begin(), out.end(), range) == out.end()) out.push_back(range);
}

void id_slices::missing_for(const event& e, event_time stamped_at, std::vector<slice_range>& out) {
  if (e.id.empty() || e.origin == id_origin::minted) return;
  if (e.sent.form != time_form::none) {
    require(id_class::client_time, to_ms(e.sent.at), out);
    return;
  }
  const auto now = to_ms(stamped_at);
  for (std::int64_t i = 0; i <= stamped_window_slices; ++i) {
    const auto at = now - i * width_ms(slice_width::hour);
    // Older than everything known and nothing to add there: no slice needed.
    if (i > 0 && newest_ms[static_cast<int>(id_class::stamped_time)] == INT64_MIN) break;
    require(id_class::stamped_time, at, out);
  }
}

void id_slices::load(const slice_range& range, const std::vector<seen_id>& ids) {
  auto* there = find(range.kind, range.begin_ms);
  if (there == nullptr) {
    slice made;
    made.range = range;
    there = &insert_sorted(std::move(made));
  }
  for (const auto& id : ids) there->insert(id.hash);
}

bool id_slices::seen_or_add(const event& e, event_time stamped_at, std::uint64_t offset) {
  if (e.id.empty() || e.origin == id_origin::minted) return false;
  const auto hash = hash_of_id(e);
  const auto kind = e.sent.form == time_form::none ? id_class::stamped_time : id_class::client_time;
  const auto at = kind == id_class::client_time ? to_ms(e.sent.at) : to_ms(stamped_at);
  auto* own = find(kind, at);
  ensure(own != nullptr, "an id slice is not in memory");
  own->used = ++clock_;
  if (own->contains(hash)) return true;
  if (kind == id_class::stamped_time) {
    for (std::int64_t i = 1; i <= stamped_window_slices; ++i) {
      const auto* earlier = find(kind, at - i * width_ms(slice_width::hour));
      if (earlier != nullptr && earlier->contains(hash)) return true;
    }
  }
  own->add({hash, offset});
  auto& newest = newest_ms[static_cast<int>(kind)];
  newest = std::max(newest, at);
  if (own->size > slice_ids_max && width == own->range.width && width != slice_width::minute)
    width = static_cast<slice_width>(static_cast<int>(width) - 1);
  return false;
}

std::vector<id_slices::run> id_slices::take_fresh() {
  std::vector<run> runs;
  for (auto& s : slices_) {
    if (s.fresh.empty()) continue;
    s.tabulate();
    std::sort(s.fresh.begin(), s.fresh.end(),
              [](const seen_id& a, const seen_id& b) { return a.hash < b.hash; });
    runs.push_back({s.range, std::exchange(s.fresh, {})});
  }
  return runs;
}

void id_slices::evict(std::size_t bytes) {
  std::erase_if(slices_, [this](const slice& s) {
    return s.fresh.empty() && s.size > slice_ids_max && s.range.width > width;
  });
  while (heap_bytes() > bytes) {
    auto oldest = slices_.end();
    for (auto i = slices_.begin(); i != slices_.end(); ++i)
      if (i->fresh.empty() && (oldest == slices_.end() || i->used < oldest->used)) oldest = i;
    if (oldest == slices_.end()) return;
    slices_.erase(oldest);
  }
}

std::size_t id_slices::heap_bytes() const {
  std::size_t bytes = slices_.capacity() * sizeof(slice);
  for (const auto& s : slices_)
    bytes += s.table.capacity() * sizeof(id_hash) + s.fresh.capacity() * sizeof(seen_id);
  return bytes;
}

bool id_slices::has_fresh() const {
  return std::any_of(slices_.begin(), slices_.end(),
                     [](const slice& s) { return !s.fresh.empty(); });
}

}  // namespace tally
