#include "domain/zone_country.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>

namespace tally {
namespace {

TEST(country_of_zone, knows_zones_and_their_old_names) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"Europe/London", "GB"},
                                                                 {"Europe/Berlin", "DE"},
                                                                 {"Europe/Busingen", "DE"},
                                                                 {"Europe/Oslo", "NO"},
                                                                 {"America/New_York", "US"},
                                                                 {"US/Eastern", "US"},
                                                                 {"Asia/Calcutta", "IN"},
                                                                 {"Asia/Kolkata", "IN"},
                                                                 {"Europe/Kiev", "UA"},
                                                                 {"Europe/Kyiv", "UA"},
                                                                 {"Atlantic/Reykjavik", "IS"},
                                                                 {"Iceland", "IS"},
                                                                 {"Africa/Timbuktu", "ML"},
                                                                 {"Pacific/Truk", "FM"},
                                                                 {"America/Buenos_Aires", "AR"},
                                                                 {"Australia/Sydney", "AU"},
                                                                 {"Africa/Abidjan", "CI"},
                                                                 {"Zulu", ""},
                                                                 {"UTC", ""},
                                                                 {"Etc/GMT-3", ""},
                                                                 {"CET", ""},
                                                                 {"europe/london", ""},
                                                                 {"Mars/Base", ""},
                                                                 {"", ""},
                                                                 {"~", ""}};
  for (const auto& [zone, country] : cases) EXPECT_EQ(country_of_zone(zone), country) << zone;
}

TEST(country_of_zone, agrees_with_zone_tab_of_this_machine) {
  std::ifstream table{"/usr/share/zoneinfo/zone.tab"};
  if (!table) GTEST_SKIP() << "package tzdata is not installed";
  int count = 0, different = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.starts_with('#')) continue;
    const auto first = line.find('\t'), second = line.find('\t', first + 1);
    const auto zone = line.substr(second + 1, line.find('\t', second + 1) - second - 1);
    ++count;
    if (country_of_zone(zone) != line.substr(0, first)) ++different;
  }
  EXPECT_GT(count, 400);
  EXPECT_LE(different, 5) << "the tz database of this machine is another, but not by so much";
}

}  // namespace
}  // namespace tally
