#include "domain/bucket.hpp"
#include "domain/scan_groups.hpp"

namespace tally {

/// The day is one of the merchant's zone, whatever zone the question asks for, so that an order is
/// worth the same in every answer.
void convert(scan_sale& s, std::string_view from, const scan_plan& p, std::int64_t at_ms) {
  const rate_day day{local_date_of(*p.facts.reporting_zone, time_from_ms(at_ms))};
  const auto by = p.facts.rates->find(from, p.currency, day, time_from_ms(s.known_ms));
  if (!by) return;
  scan_sale converted = s;
  for (auto* const amount : {&converted.gross, &converted.discounts, &converted.tax,
                             &converted.shipping, &converted.refunds}) {
    if (*amount == 0) continue;
    const auto worth = by->apply(*amount);
    if (!worth) return;
    *amount = *worth;
  }
  converted.of_answer = true;
  s = converted;
}

}  // namespace tally
