#include "api/export_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "api/export_request.hpp"

namespace tally::api {
namespace {

/// {"plan": "gold", "seats": 2} as MessagePack.
constexpr std::string_view props{"\x82\xa4plan\xa4gold\xa5seats\x02", 18};

event purchase() {
  event e;
  e.id = "o-1";
  e.sent = *parse_client_time("2010-12-01T09:26:00+01:00");
  e.at = e.sent.at;
  e.received_at = time_from_ms(1'291'191'961'000);
  e.name = "purchase";
  e.visitor = "17850";
  e.url = "https://shop.example/\"a\",b";
  e.props = props;
  e.has_order = true;
  e.order.id = "536365";
  e.order.discount = money{500'000};
  e.order.items.push_back({});
  e.order.items[0].id = "85123A";
  e.order.items[0].quantity = money{6'000'000};
  e.order.items[0].price = money{2'550'000};
  return e;
}

TEST(append_exported, writes_the_native_event_with_its_place) {
  std::string line;
  append_exported(line, purchase(), 42, export_format::ndjson);
  ASSERT_EQ(line.back(), '\n');
  const auto got = nlohmann::json::parse(line);
  const auto want = nlohmann::json::parse(R"({
    "offset": 42, "received_at": "2010-12-01T08:26:01.000Z", "id": "o-1",
    "at": "2010-12-01T09:26:00+01:00", "name": "purchase", "visitor": "17850",
    "url": "https://shop.example/\"a\",b", "props": {"plan": "gold", "seats": 2},
    "order": {"id": "536365", "discount": "0.5",
              "items": [{"id": "85123A", "quantity": "6", "price": "2.55"}]}})");
  EXPECT_EQ(got, want);
}

TEST(append_exported, keeps_the_time_as_it_was_sent) {
  auto e = purchase();
  std::string line;
  e.sent = client_time_from_ms(to_ms(e.at));
  append_exported(line, e, 1, export_format::ndjson);
  EXPECT_EQ(nlohmann::json::parse(line)["at"], 1'291'191'960'000);
  // A protocol corrected it: what was sent is not when it happened.
  line.clear();
  e.at += std::chrono::seconds{5};
  append_exported(line, e, 1, export_format::ndjson);
  EXPECT_EQ(nlohmann::json::parse(line)["at"], "2010-12-01T08:26:05.000Z");
}

TEST(append_exported, names_the_kind_of_control_events) {
  event e;
  e.kind = event_kind::identify;
  e.user = "u";
  std::string line;
  append_exported(line, e, 3, export_format::ndjson);
  EXPECT_EQ(nlohmann::json::parse(line)["kind"], "identify");
}

TEST(append_exported, quotes_fields_of_csv) {
  std::string line;
  append_exported(line, purchase(), 42, export_format::csv);
  EXPECT_TRUE(
      line.starts_with("42,data,2010-12-01T08:26:01.000Z,o-1,2010-12-01T09:26:00+01:00,"
                       "purchase,17850,,,\"https://shop.example/\"\"a\"\",b\","))
      << line;
  const std::string header{export_header(export_format::csv)};
  std::size_t fields = 0;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++fields;
  }
  EXPECT_EQ(fields, static_cast<std::size_t>(std::ranges::count(header, ',')));
}

result<export_request> parse(const std::map<std::string, std::string>& given) {
  return parse_export([&](std::string_view name) -> std::optional<std::string> {
    const auto found = given.find(std::string{name});
    if (found == given.end()) return std::nullopt;
    return found->second;
  });
}

TEST(parse_export, reads_its_parameters_and_names_the_wrong_one) {
  const auto fine = parse({{"limit", "7"}, {"cursor", "12"}, {"format", "csv"}});
  ASSERT_TRUE(fine);
  EXPECT_EQ(fine->wish.events_max, 7u);
  EXPECT_EQ(fine->wish.after, 12u);
  EXPECT_EQ(fine->format, export_format::csv);
  const std::vector<std::pair<std::map<std::string, std::string>, std::string>> cases{
      {{{"limit", "0"}}, "/limit: "},      {{{"limit", "100001"}}, "/limit: "},
      {{{"cursor", "1x"}}, "/cursor: "},   {{{"format", "xml"}}, "/format: "},
      {{{"from", "2010-12-01"}}, "/to: "}, {{{"to", "2010-12-01"}}, "/from: "},
  };
  for (const auto& [given, begin] : cases) {
    const auto bad = parse(given);
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, errc::bad_request);
    EXPECT_TRUE(bad.error().detail.starts_with(begin)) << bad.error().detail;
  }
}

}  // namespace
}  // namespace tally::api
