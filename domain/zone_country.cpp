#include "domain/zone_country.hpp"

#include <algorithm>

namespace tally {
namespace {

struct zone_country {
  std::string_view zone, country;
};

#include "domain/zone_countries.inc"

}  // namespace

std::string_view country_of_zone(std::string_view zone) {
  const auto* const found = std::ranges::lower_bound(rows, zone, {}, &zone_country::zone);
  return found != std::end(rows) && found->zone == zone ? found->country : std::string_view{};
}

}  // namespace tally
