#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "api/import_reader.hpp"

namespace tally::api {
namespace {

using nlohmann::json;

/// Real files, which are not part of the project.
std::string data_file(const std::string& name) {
  const char* shared = std::getenv("TALLY_SHARED");
  return (shared != nullptr ? std::string{shared} : SOURCE_ROOT "/../shared") + "/data/" + name;
}

struct totals {
  std::map<std::string, std::size_t> events, refused;
  std::set<std::string> ids;
  std::size_t largest = 0;
};

totals read(import_reader& reader, const std::string& path) {
  totals out;
  const import_sink sink{[&](const imported_event& e) {
                           const auto event = json::parse(e.json);
                           ++out.events[event.at("name")];
                           out.ids.insert(event.at("id"));
                           out.largest = std::max(out.largest, e.json.size());
                         },
                         [&](const refused_line& r) { ++out.refused[r.code]; }};
  FILE* in = ::popen(("xz -dc '" + path + "'").c_str(), "r");
  if (in == nullptr) return out;
  std::array<char, 65'536> piece{};
  for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), in)) > 0;) {
    reader.feed({piece.data(), got}, sink);
  }
  EXPECT_EQ(::pclose(in), 0);
  reader.finish(sink);
  return out;
}

TEST(import_data, half_a_year_of_invoices_becomes_orders_and_refunds_and_dirty_lines_are_named) {
  const auto path = data_file("online-retail-2010-12_2011-05.csv.xz");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto mapping = read_mapping(SOURCE_ROOT "/config/maps/online-retail.toml");
  ASSERT_TRUE(mapping.ok()) << mapping.error().text();
  const auto got = read(*make_csv_reader("shop", *mapping), path);
  // 10,783 invoices, 1,677 of them cancellations, 651 of them nothing but a negative quantity.
  EXPECT_EQ(got.events,
            (std::map<std::string, std::size_t>{{"purchase", 8'455}, {"refund", 1'677}}));
  EXPECT_EQ(got.refused, (std::map<std::string, std::size_t>{{"bad_quantity", 651}}));
  EXPECT_EQ(got.ids.size(), 10'132);
  EXPECT_GT(got.largest, 32 * 1024);
}

TEST(import_data, ten_thousand_requests_become_events_but_for_the_torn_line) {
  const auto path = data_file("apache-access-2015-05.log.xz");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto got = read(*make_log_reader("site", log_form::combined, ""), path);
  EXPECT_EQ(got.events.at("page_view") + got.events.at("request"), 9'999);
  EXPECT_EQ(got.refused, (std::map<std::string, std::size_t>{{"torn_line", 1}}));
  EXPECT_EQ(got.ids.size(), 9'999);
}

}  // namespace
}  // namespace tally::api
