#include "api/geo_database.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "api/ingest_native.hpp"
#include "api/segment.hpp"
#include "api/umami.hpp"
#include "api/visitor_facts.hpp"
#include "tests/api/foreign_samples.hpp"
#include "tests/support/mmdb_file.hpp"
#include "tests/support/temp_folder.hpp"

namespace tally::api {
namespace {

using file = mmdb_file;

std::string country(std::string_view code) {
  return file::map({file::text("iso_code"), file::text(code)});
}

struct geo_fixture : ::testing::Test {
  geo_fixture() {
    file made;
    made.add("81.2.69.0", 24, file::map({file::text("country"), country("GB")}));
    made.add("203.0.113.0", 24,
             file::map({file::text("registered_country"), country("AU"), file::text("traits"),
                        file::map({file::text("is_hosting_provider"), file::yes()})}));
    made.add("2001:db8::", 32,
             file::map({file::text("country"), country("DE"),
                        file::text("autonomous_system_number"), file::number(24'940)}));
    made.add(
        "198.51.100.0", 25,
        file::map({file::text("country"), country("Xx"), file::text("is_anonymous"), file::yes()}));
    made.write(path);
    const auto opened = geo_database::open(path);
    if (opened) geo = *opened;
    EXPECT_TRUE(opened) << opened.error().text();
  }

  tally::testing::temp_folder folder;
  const std::string path = (folder.path() / "own.mmdb").string();
  std::shared_ptr<geo_database> geo;
};

TEST_F(geo_fixture, a_file_of_the_users_own_tells_country_and_kind) {
  struct place_case {
    std::string_view address, country, kind;
  };
  const place_case cases[] = {{"81.2.69.142", "GB", ""},        {"81.2.69.142", "GB", ""},
                              {"::ffff:81.2.69.1", "GB", ""},   {"81.2.70.1", "", ""},
                              {"203.0.113.9", "AU", "hosting"}, {"2001:db8::7", "DE", "hosting"},
                              {"2001:db9::7", "", ""},          {"198.51.100.1", "", "proxy"},
                              {"198.51.100.200", "", ""},       {"", "", ""},
                              {"shop.example", "", ""},         {"81.2.69.142:80", "", ""}};
  for (const auto& [address, where, kind] : cases) {
    const auto place = geo->find(address);
    EXPECT_EQ(place.country, where) << address;
    EXPECT_EQ(place.kind, kind) << address;
  }
  EXPECT_EQ(geo->description(), "Test-Country 2023-11-14 (" + path + ")");
}

TEST_F(geo_fixture, many_threads_ask_at_once) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this] {
      for (int i = 0; i < 2'000; ++i) {
        EXPECT_EQ(geo->find("81.2.69." + std::to_string(i % 256)).country, "GB");
        EXPECT_EQ(geo->find("82.2." + std::to_string(i % 256) + ".1").country, "");
      }
    });
  for (auto& t : threads) t.join();
}

TEST_F(geo_fixture, what_is_no_database_is_refused_by_name) {
  const auto broken = (folder.path() / "broken.mmdb").string();
  const auto other = (folder.path() / "other.db").string();
  std::ofstream{broken} << "no database";
  std::ofstream{other} << "no database";
  for (const auto& bad : {broken, other}) {
    const auto opened = geo_database::open(bad);
    ASSERT_FALSE(opened) << bad;
    EXPECT_EQ(opened.error().code, errc::bad_option);
    EXPECT_TRUE(opened.error().detail.starts_with(bad)) << opened.error().detail;
  }
  EXPECT_EQ(geo_database::open(folder.path() / "missing.mmdb").error().code, errc::not_found);
  EXPECT_EQ(geo_database::open(folder.path()).error().code, errc::not_found);
}

TEST(geo_database, libloc_knows_the_world) {
  if (!std::filesystem::exists("/usr/share/libloc-location/location.db"))
    GTEST_SKIP() << "package libloc-database is not installed";
  const auto opened = geo_database::open("");
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_TRUE((*opened)->description().starts_with("libloc 20")) << (*opened)->description();
  EXPECT_EQ((*opened)->find("8.8.8.8").country, "US");
  EXPECT_EQ((*opened)->find("2001:4860:4860::8888").country, "US");
  EXPECT_EQ((*opened)->find("10.0.0.1").country, "");
  EXPECT_EQ((*opened)->find("::1").country, "");
}

TEST(country_text, takes_letters_that_stand_for_a_country) {
  for (const std::string_view code : {"AA", "GB", "US", "ZW"}) EXPECT_EQ(country_text(code), code);
  for (const std::string_view code : {"", "G", "GBR", "gb", "A1", "XD", "??"})
    EXPECT_EQ(country_text(code), "") << code;
}

TEST_F(geo_fixture, a_page_is_in_the_country_of_its_address) {
  auto context = write_key_context();
  const auto sender = facts_of("203.0.113.9", geo.get());
  EXPECT_EQ(sender.network, "203.0.113.0/24 hosting");
  context.address_network = sender.network;
  context.address_country = sender.country;
  context.geo = geo.get();
  std::string body = R"([{"name":"a","country":"FR"},{"name":"b","timezone":"Europe/Paris"}])";
  const auto got = decode(parse_native(body, context));
  ASSERT_EQ(got->events.size(), 2u);
  for (const auto& e : got->events) {
    EXPECT_EQ(e.country, "AU");
    EXPECT_EQ(e.network, "203.0.113.0/24 hosting");
    EXPECT_EQ(e.extra, "") << "a time zone is not kept";
  }
}

TEST_F(geo_fixture, a_time_zone_helps_where_the_address_does_not) {
  auto context = write_key_context();
  std::string body = R"([{"name":"a","timezone":"Asia/Calcutta"},{"name":"b","timezone":"UTC"},
                         {"name":"c","timezone":"Mars/Base"},{"name":"d"}])";
  const auto got = decode(parse_native(body, context));
  ASSERT_EQ(got->events.size(), 4u);
  EXPECT_EQ(got->events[0].country, "IN");
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(got->events[i].country, "");
}

TEST_F(geo_fixture, a_platform_names_address_or_country) {
  auto context = platform_context();
  context.address_country = "JP";
  context.geo = geo.get();
  std::string body = R"([{"merchant":"m","name":"a","address":"81.2.69.1"},
                         {"merchant":"m","name":"b","address":"81.2.69.1","country":"FR"},
                         {"merchant":"m","name":"c","country":"FR","address":"81.2.69.1"},
                         {"merchant":"m","name":"d","address":"9.9.9.9","timezone":"US/Eastern"},
                         {"merchant":"m","name":"e"}])";
  const auto got = decode(parse_native(body, context));
  ASSERT_EQ(got->events.size(), 5u);
  const std::string_view want[] = {"GB", "FR", "FR", "US", ""};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(got->events[i].country, want[i]) << i;
}

TEST_F(geo_fixture, segment_and_umami_say_where_their_visitor_is) {
  auto context = platform_context();
  context.geo = geo.get();
  std::string body = R"({"merchant":"m","userId":"u","event":"x","context":{"ip":"81.2.69.1"}})";
  const auto segment = decode(parse_segment(segment_call::track, body, context));
  ASSERT_EQ(segment->events.size(), 1u);
  EXPECT_EQ(segment->events[0].country, "GB");
  foreign_sample sample;
  sample.context.geo = geo.get();
  sample.context.address_country = "JP";
  sample.key = sample.platform_key;
  const std::string payload =
      R"({"type":"event","payload":{"website":"94db1cb1-74f4-4a40-ad6c-962362670409","url":"/",)";
  EXPECT_EQ(sample.read(parse_umami, payload + R"("ip":"81.2.69.1"}})").only().country, "GB");
  EXPECT_EQ(sample.read(parse_umami, payload + R"("ip":"9.9.9.9"}})").only().country, "");
  EXPECT_EQ(sample.read(parse_umami, payload + R"("title":"t"}})").only().country, "JP");
}

}  // namespace
}  // namespace tally::api
