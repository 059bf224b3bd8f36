#include <algorithm>
#include <utility>

#include "domain/scan_visits.hpp"

namespace tally {
namespace {

void find_behaviours(const scan_filter& f, std::vector<const scan_filter*>& all) {
  if (is_behaviour(f.op)) {
    if (all.size() <= f.behaviour) all.resize(f.behaviour + 1);
    all[f.behaviour] = f.parts.data();
  }
  for (const auto& part : f.parts) find_behaviours(part, all);
}

}  // namespace

unit_reader::unit_reader(scan_frame& frame, const visit_order& order)
    : frame_{frame}, plan_{*frame.plan}, order_{order}, history_{frame} {
  find_behaviours(plan_.filter, behaviours_);
  for (const auto& step : plan_.steps) find_behaviours(step, behaviours_);
  done_.resize(behaviours_.size());
  memo_.resize(plan_.late_comparisons);
}

void unit_reader::enter(const scan_span& span, const visitor_run& run) {
  const bool somebody = order_.unit(run.begin).person != 0;
  for (std::size_t b = 0; b < behaviours_.size(); ++b) {
    done_[b] = false;
    for (auto i = run.begin; i < run.end && somebody && !done_[b]; ++i)
      done_[b] = span.holds(order_.unit(i).at_ms) && holds(*behaviours_[b], i);
  }
}

std::uint32_t unit_reader::value(std::size_t field, std::size_t position) const {
  const auto& f = plan_.fields[field];
  if (f.from == field_source::customer_type) return history_.customer_type(field, position);
  if (f.from == field_source::cohort) return history_.cohort(field, position);
  const auto visit = order_.visit_of(position);
  if (f.from == field_source::entry_page || f.from == field_source::exit_page) {
    if (visit != visit_order::no_visit) {
      const auto& v = order_.visits()[visit];
      return f.from == field_source::entry_page ? v.entry : v.exit;
    }
    const bool view = order_.unit(position).kind == counts_as::page_view;
    return view ? frame_.kept.pages[position] : 0;
  }
  const auto slot = frame_.slot_of[field];
  if (f.of_visit && visit != visit_order::no_visit) return order_.visit_value(visit, slot);
  return frame_.kept.ids[position * frame_.slots.size() + slot];
}

bool unit_reader::compare(const scan_filter& f, std::size_t position) {
  const auto id = value(f.field, position);
  const auto& dictionary = std::as_const(frame_).dictionary(f.field);
  auto& known = memo_[f.bit];
  if (known.size() < dictionary.size()) known.resize(dictionary.size(), -1);
  if (known[id] < 0) known[id] = holds_for(f.comparison, dictionary.text(id)) ? 1 : 0;
  return known[id] != 0;
}

bool unit_reader::holds(const scan_filter& f, std::size_t position) {
  const auto& bits = frame_.kept.bits;
  if (f.of_event) return bits.empty() || (bits[position] >> f.bit & 1) != 0;
  const auto part_holds = [&](const scan_filter& part) { return holds(part, position); };
  switch (f.op) {
    case filter_op::all_of:
      return std::ranges::all_of(f.parts, part_holds);
    case filter_op::any_of:
      return std::ranges::any_of(f.parts, part_holds);
    case filter_op::none_of:
      return std::ranges::none_of(f.parts, part_holds);
    case filter_op::has_done:
      return done_[f.behaviour];
    case filter_op::has_not_done:
      return !done_[f.behaviour];
    default:
      return compare(f, position);
  }
}

}  // namespace tally
