#include "domain/scan.hpp"

#include <algorithm>
#include <utility>

#include "domain/scan_work.hpp"

namespace tally {
namespace {

constexpr std::uint32_t no_id = ~std::uint32_t{0};

failure limit_failure(const scan_frame& f) {
  const auto& p = *f.plan;
  std::size_t most = 0, dimension = 0;
  for (std::size_t i = 0; i < p.dimensions.size(); ++i) {
    const auto& d = p.dimensions[i];
    const auto size = d.is == scan_dimension::kind::field    ? f.dictionary(d.field).size()
                      : d.is == scan_dimension::kind::bucket ? p.buckets.size()
                                                             : 24;
    if (size <= most) continue;
    most = size;
    dimension = i;
  }
  return {errc::unsupported, "too_many_groups: /dimensions/" + std::to_string(dimension) + ": '" +
                                 p.asked.dimensions[dimension] + "' has " + std::to_string(most) +
                                 " values; more than " + std::to_string(p.groups_max) +
                                 " groups; filter it, or ask for a shorter range"};
}

/// Calls f for each topmost part that needs one event only.
template <class F>
void for_each_event_part(const scan_filter& filter, F&& f) {
  if (filter.of_event) return f(filter);
  for (const auto& part : filter.parts) for_each_event_part(part, f);
}

/// Numbers of the words of a column, made when they are first met.
class id_cache {
 public:
  id_cache(const field_column& column, value_ids& values)
      : column_{&column}, values_{&values}, ids_(column.words.size(), no_id) {}
  std::uint32_t operator()(std::size_t unit) {
    const auto code = (*column_->codes)[unit];
    auto& id = ids_[code];
    if (id == no_id) id = values_->id(column_->words[code]);
    return id;
  }

 private:
  const field_column* column_;
  value_ids* values_;
  std::vector<std::uint32_t> ids_;
};

/// Pairs of group and visitor that were added lately: most visitors come with many events.
class seen_pairs {
 public:
  bool add(std::uint64_t group, std::uint64_t person) {
    if (pairs_.empty()) pairs_.resize(size);
    auto& pair = pairs_[(person ^ group * 0x9e3779b97f4a7c15u) & (size - 1)];
    if (pair.first == person && pair.second == group + 1) return false;
    pair = {person, group + 1};
    return true;
  }

 private:
  static constexpr std::size_t size = 1u << 15;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs_;
};

/// Whether an event outside of the range may change numbers within it.
bool reaches_far(const scan_frame& frame, counts_as kind) {
  const auto& needs = frame.plan->needs;
  if (kind == counts_as::purchase) return needs.first_orders || needs.order_days;
  return kind == counts_as::refund && (frame.wants_to_date || needs.order_days);
}

}  // namespace

struct scan::work {
  explicit work(std::shared_ptr<const scan_plan> p) : frame{std::move(p)} {}

  void count_block(scan_block& b);
  void keep_block(scan_block& b, std::int64_t newest_before_ms);
  [[nodiscard]] status check(bool whole) const;
  void count_unit(std::size_t span, scan_group& g, const scan_unit& u, std::uint64_t number);
  visit_pass& pass() {
    if (!visits) {
      join_people(frame);
      visits = std::make_unique<visit_pass>(frame);
    }
    return *visits;
  }

  scan_frame frame;
  seen_pairs seen;
  std::uint64_t blocks = 0;
  std::unique_ptr<visit_pass> visits;
};

void scan::work::count_unit(std::size_t span, scan_group& g, const scan_unit& u,
                            std::uint64_t number) {
  const bool first = g.count(u);
  if (first && u.person != 0 && seen.add(number << 1 | span, u.person))
    g.traffic.visitors.add(u.person);
  if (u.sale == nullptr) return;
  if (first || frame.plan->needs.items) g.count_sale(*u.sale, first);
  if (first && frame.wants_order_values) g.add_order_value(*u.sale);
}

/// Single events: each goes into its group at once.
void scan::work::count_block(scan_block& b) {
  const auto& p = *frame.plan;
  std::vector<std::uint8_t> selected;
  if (!p.filter.parts.empty()) selected = b.mask(p.filter);
  std::vector<std::optional<id_cache>> ids(p.dimensions.size());
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (const auto& d = p.dimensions[i]; d.is == scan_dimension::kind::field)
      ids[i].emplace(b.column(d.field), frame.values[d.field]);
  std::vector<std::uint32_t> key(p.dimensions.size());
  // Of a single group, each visitor of a block is looked at once.
  std::vector<std::vector<std::uint8_t>> seen_codes(frame.spans.size());
  if (p.needs.visitors && key.empty())
    for (auto& codes : seen_codes) codes.resize(b.person_codes());
  for (std::size_t unit = 0; unit < b.units(); ++unit) {
    if (!selected.empty() && selected[unit] == 0) continue;
    const auto row = b.row_of(unit);
    if (!b.counted(row)) continue;
    scan_unit u{b.at_ms(row), b.offset(row), 0, b.kind(row), nullptr};
    std::optional<scan_sale> sale;
    for (std::size_t s = 0; s < frame.spans.size(); ++s) {
      auto& span = frame.spans[s];
      if (!span.holds(u.at_ms)) continue;
      if (p.needs.commerce && !sale) sale = b.sale(unit, frame.currencies);
      if (sale) u.sale = &*sale;
      if (sale && s == 0) frame.note_currency(*sale);
      if (p.needs.visitors) {
        auto* const known = key.empty() ? &seen_codes[s][b.person_code(row)] : nullptr;
        u.person = known != nullptr && *known != 0 ? 0 : b.person(row);
        if (known != nullptr) *known = 1;
      }
      for (std::size_t i = 0; i < key.size(); ++i) switch (p.dimensions[i].is) {
          case scan_dimension::kind::bucket:
            key[i] = span.bucket_of(u.at_ms);
            break;
          case scan_dimension::kind::hour_of_day:
            key[i] = frame.clock.hour_of_day(u.at_ms);
            break;
          case scan_dimension::kind::day_of_week:
            key[i] = frame.clock.day_of_week(u.at_ms);
            break;
          case scan_dimension::kind::field:
            key[i] = (*ids[i])(unit);
        }
      auto& group = span.groups.at(key);
      count_unit(s, group, u, span.groups.last() + 1);
      if (p.needs.totals) count_unit(s, span.total, u, 0);
    }
  }
}

/// Visits and visitors: what is needed of each event is kept until all are there.
void scan::work::keep_block(scan_block& b, std::int64_t newest_before_ms) {
  const auto& p = *frame.plan;
  auto& kept = frame.kept;
  const bool filtered = !p.filter.parts.empty() || !p.steps.empty();
  kept.reserve(b.units(), frame.slots.size());
  std::vector<std::vector<std::uint8_t>> masks;
  const auto add_mask = [&](const scan_filter& f) { masks.push_back(b.mask(f)); };
  if (filtered) for_each_event_part(p.filter, add_mask);
  for (const auto& step : p.steps) for_each_event_part(step, add_mask);
  std::vector<id_cache> ids;
  ids.reserve(frame.slots.size());
  for (const auto field : frame.slots) ids.emplace_back(b.column(field), frame.values[field]);
  std::optional<id_cache> pages;
  if (p.needs.pages) pages.emplace(b.page_column(), frame.pages);
  const auto late_ms = std::chrono::milliseconds{p.rules->late_visit}.count();
  const auto from = to_ms(p.range.from), to = to_ms(p.range.to);
  auto newest = p.needs.own_newest ? frame.newest_ms : newest_before_ms;
  for (std::size_t unit = 0; unit < b.units(); ++unit) {
    const auto row = b.row_of(unit);
    if (p.needs.identity)
      if (const auto link = b.link(row)) frame.users[link->first] = link->second;
    if (!b.counted(row)) continue;
    const auto at_ms = b.at_ms(row);
    newest = std::max(newest, at_ms);
    if ((at_ms < from || at_ms >= to) && !reaches_far(frame, b.kind(row))) continue;
    kept_unit u{b.person(row), b.offset(row), at_ms, 0, b.kind(row), newest - at_ms > late_ms};
    if (filtered) {
      std::uint64_t bits = 0;
      for (std::size_t i = 0; i < masks.size(); ++i) bits |= std::uint64_t{masks[i][unit]} << i;
      kept.bits.push_back(bits);
    }
    if (p.needs.commerce)
      if (auto sale = b.sale(unit, frame.currencies)) {
        kept.sales.push_back(*sale);
        u.sale = static_cast<std::uint32_t>(kept.sales.size());
      }
    kept.units.push_back(u);
    for (auto& id : ids) kept.ids.push_back(id(unit));
    if (pages) kept.pages.push_back((*pages)(unit));
    if (p.needs.first_orders) kept.customers.push_back(b.customer(row).value_or(0));
    if (p.needs.scrolls) kept.scrolls.push_back(b.scroll(row));
    if (p.needs.own_newest) kept.newest.push_back(newest);
  }
  frame.newest_ms = newest;
}

status scan::work::check(bool whole) const {
  constexpr std::size_t few_groups = 10'000;
  std::size_t groups = 0;
  for (const auto& span : frame.spans) groups += span.groups.size();
  if (groups > frame.plan->groups_max) return limit_failure(frame);
  // Adding up what many groups hold takes longer than a block.
  if (!whole && groups > few_groups && blocks % 16 != 0) return done{};
  const auto bytes = frame.heap_bytes();
  if (bytes <= frame.plan->bytes_max) return done{};
  return failure{errc::unsupported, "too_much_memory: the question needs more than " +
                                        std::to_string(frame.plan->bytes_max >> 20) +
                                        " MiB; filter it, or ask for a shorter range"};
}

scan::scan(std::shared_ptr<const scan_plan> plan)
    : work_{std::make_unique<work>(std::move(plan))} {}
scan::scan(scan&& other) noexcept = default;
scan& scan::operator=(scan&& other) noexcept = default;
scan::~scan() = default;

status scan::add(const event_columns& block) {
  auto& frame = work_->frame;
  frame.rows += block.rows;
  const auto& p = *frame.plan;
  std::optional<event_columns> judged;
  if (p.rules->rewrites()) judged = judged_columns(p, block);
  scan_block b{p, judged ? *judged : block};
  if (p.needs.persons) {
    ensure(!work_->visits, "a block after the visits were put together");
    work_->keep_block(b, block.newest_before_ms);
  } else {
    work_->count_block(b);
  }
  ++work_->blocks;
  return work_->check(false);
}

std::optional<scan_range> scan::wider() const {
  if (!work_->frame.plan->needs.visits) return std::nullopt;
  return work_->pass().wider();
}

result<answer> scan::finish() {
  auto& frame = work_->frame;
  if (frame.plan->needs.persons) {
    work_->pass().count();
    if (auto fine = work_->check(true); !fine) return fine.error();
  }
  return answer_of(frame);
}

status scan::merge(scan&& later) {
  ensure(!work_->visits && !later.work_->visits, "a merge after the visits were put together");
  work_->frame.merge(later.work_->frame);
  return work_->check(true);
}

scan_frame& scan::frame() {
  return work_->frame;
}

std::size_t scan::memory_bytes() const {
  return work_->frame.heap_bytes();
}

std::uint64_t scan::rows() const {
  return work_->frame.rows;
}

}  // namespace tally
