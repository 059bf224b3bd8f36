#include "api/import_reader.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tally::api {
namespace {

using nlohmann::json;

struct outcome {
  std::vector<json> events;
  std::vector<std::uint64_t> lines;
  std::vector<std::string> refused;  // "line code"
};

outcome read(import_reader& reader, std::string_view text, std::size_t piece = 1U << 20) {
  outcome out;
  const import_sink sink{
      [&](const imported_event& e) {
        out.events.push_back(json::parse(e.json));
        out.lines.push_back(e.line);
      },
      [&](const refused_line& r) { out.refused.push_back(std::to_string(r.line) + " " + r.code); }};
  while (!text.empty()) {
    const auto taken = text.substr(0, piece);
    text.remove_prefix(taken.size());
    reader.feed(taken, sink);
  }
  reader.finish(sink);
  return out;
}

outcome read(std::unique_ptr<import_reader> reader, std::string_view text) {
  return read(*reader, text);
}

using words = std::vector<std::string>;

TEST(ndjson_import, lines_get_the_merchant_and_an_id_made_from_the_line) {
  const auto got = read(make_ndjson_reader("shop"), "{\"name\":\"a\"}\n{}\n\n {\"id\":\"x\"}");
  ASSERT_EQ(got.events.size(), 3);
  EXPECT_EQ(got.events[0].at("merchant"), "shop");
  EXPECT_EQ(got.events[0].at("name"), "a");
  EXPECT_EQ(got.events[0].at("id").get<std::string>().size(), 32);
  EXPECT_EQ(got.events[2].at("id"), "x");
  EXPECT_EQ(got.lines, (std::vector<std::uint64_t>{1, 2, 4}));
}

TEST(ndjson_import, equal_lines_have_ids_that_count_and_a_second_run_gives_the_same) {
  const std::string text = "{\"name\":\"a\"}\n{\"name\":\"b\"}\n{\"name\":\"a\"}\n";
  const auto one = read(make_ndjson_reader("shop"), text);
  const auto two = read(make_ndjson_reader("shop"), text);
  EXPECT_EQ(one.events, two.events);
  EXPECT_EQ(one.events[2].at("id"), one.events[0].at("id").get<std::string>() + "-2");
}

TEST(ndjson_import, what_is_no_object_or_another_merchants_is_refused_by_line) {
  const auto got = read(make_ndjson_reader("shop"),
                        "[1]\n{\"a\":\n{\"merchant\":\"other\"}\n{\"merchant\":\"shop\"}\nx\n");
  EXPECT_EQ(got.refused, (words{"1 bad_json", "2 bad_json", "3 other_merchant", "5 bad_json"}));
  ASSERT_EQ(got.events.size(), 1);
  EXPECT_EQ(read(make_ndjson_reader(""), "{}\n").refused, (words{"1 no_merchant"}));
}

constexpr std::string_view log_text =
    R"(192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /p?q=1 HTTP/1.1" 200 10 "http://r/" "A \"x\""
192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a.css HTTP/1.1" 200 10 "-" "A \"x\""
host.example - - [17/May/2015:10:05:04 +0000] "POST /p HTTP/1.1" 404 10 "-" "-"
192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /p?q=1 HTTP/1.1" 200 10 "http://r/" "A \"x\""
192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /p?q=1 HTTP/1.1" 200 10 "http://r/" "A
)";

TEST(log_import, pages_are_page_views_and_everything_else_requests_with_method_and_status) {
  const auto got = read(make_log_reader("site", log_form::combined, "https://s.example"), log_text);
  ASSERT_EQ(got.events.size(), 4);
  const auto& page = got.events[0];
  EXPECT_EQ(page.at("name"), "page_view");
  EXPECT_EQ(page.at("at"), 1431857103000);
  EXPECT_EQ(page.at("url"), "https://s.example/p?q=1");
  EXPECT_EQ(page.at("referrer"), "http://r/");
  EXPECT_EQ(page.at("agent"), "A \"x\"");
  EXPECT_EQ(page.at("address"), "192.0.2.1");
  EXPECT_FALSE(page.contains("props"));
  EXPECT_EQ(got.events[1].at("name"), "request");
  EXPECT_EQ(got.events[1].at("visitor"), page.at("visitor"));
  EXPECT_EQ(got.events[2].at("props"), (json{{"method", "POST"}, {"status", 404}}));
  EXPECT_NE(got.events[2].at("visitor"), page.at("visitor"));
  EXPECT_FALSE(got.events[2].contains("address"));
  EXPECT_EQ(got.events[3].at("id"), page.at("id").get<std::string>() + "-2");
  EXPECT_EQ(got.refused, (words{"5 torn_line"}));
}

import_mapping shop_mapping() {
  auto mapping = read_mapping(SOURCE_ROOT "/config/maps/online-retail.toml");
  EXPECT_TRUE(mapping.ok()) << mapping.error().text();
  return *mapping;
}

constexpr std::string_view header =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

outcome read_shop(const std::string& rows) {
  return read(make_csv_reader("shop", shop_mapping()), std::string{header} + rows);
}

TEST(ndjson_import, a_byte_order_mark_and_white_space_before_an_object_are_no_part_of_it) {
  const auto got = read(make_ndjson_reader("s"),
                        "\xef\xbb\xbf{\"name\":\"a\"}\n\r{\"name\":\"b\"}\n \t{\"name\":\"c\"}\n");
  ASSERT_EQ(got.events.size(), 3u);
  EXPECT_TRUE(got.refused.empty());
  EXPECT_EQ(got.events[1].at("name"), "b");
  EXPECT_EQ(got.events[1].at("merchant"), "s");
}

TEST(csv_import, rows_of_an_invoice_are_one_purchase_at_the_earliest_of_their_times) {
  const auto got = read_shop(
      "536365,A,\"LANTERN, WHITE\",6,2011-05-31 08:27:00,2.55,17850.0,United Kingdom\n"
      "536366,C,MUG,1,2011-05-31 09:00:00,1,,EIRE\n"
      "536365,A,\"LANTERN, WHITE\",6,2011-05-31 08:26:00,2.55,17850.0,United Kingdom\n"
      "536365,B,FREE,2,2011-05-31 08:26:00,0.0,17850.0,United Kingdom\n");
  ASSERT_EQ(got.events.size(), 2);
  const auto& order = got.events[0];
  EXPECT_EQ(order.at("name"), "purchase");
  EXPECT_EQ(order.at("id"), "purchase-536365");
  EXPECT_EQ(order.at("at"), 1306826760000);  // 07:26 UTC
  EXPECT_EQ(order.at("user"), "17850");
  EXPECT_EQ(order.at("visitor"), "17850");
  EXPECT_EQ(order.at("country"), "GB");
  EXPECT_EQ(order.at("order").at("id"), "536365");
  EXPECT_EQ(order.at("order").at("currency"), "GBP");
  const auto& items = order.at("order").at("items");
  ASSERT_EQ(items.size(), 3);
  EXPECT_EQ(items[0], items[1]);
  EXPECT_EQ(items[0],
            (json{{"id", "A"}, {"name", "LANTERN, WHITE"}, {"quantity", "6"}, {"price", "2.55"}}));
  EXPECT_FALSE(got.events[1].contains("user"));
  EXPECT_EQ(got.events[1].at("country"), "IE");
  EXPECT_TRUE(got.refused.empty());
}

TEST(csv_import, cancellations_are_refunds_of_positive_quantities) {
  const auto got = read_shop("C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,France\n");
  ASSERT_EQ(got.events.size(), 1);
  EXPECT_EQ(got.events[0].at("name"), "refund");
  EXPECT_EQ(got.events[0].at("order").at("id"), "C536379");
  EXPECT_EQ(got.events[0].at("order").at("items")[0].at("quantity"), "1");
}

TEST(csv_import, dirty_rows_are_named_and_an_invoice_without_rows_is_no_order) {
  const auto got = read_shop(
      "A563185,B,Adjust bad debt,1,2011-01-12 14:50:00,11062.06,,United Kingdom\n"
      "536589,21777,,-10,2010-12-01 16:50:00,0.0,,United Kingdom\n"
      "C1,A,X,5,2010-12-01 16:50:00,1,,France\n"
      "1,A,X,1,yesterday,1,,France\n"
      "2,A,X,1,2010-12-01 16:50:00,1;5,,France\n"
      "3,A,X\n"
      "4,A,\"X\"y,1,2010-12-01 16:50:00,1,,France\n"
      "5,A,X,1,2010-12-01 16:50:00,1,,\"Fra");
  EXPECT_TRUE(got.events.empty());
  EXPECT_EQ(got.refused, (words{"2 adjustment", "3 bad_quantity", "4 bad_quantity", "5 bad_time",
                                "6 bad_price", "7 bad_columns", "8 bad_quote", "9 torn_line"}));
}

TEST(csv_import, the_order_of_events_does_not_depend_on_the_pieces) {
  const std::string rows = std::string{header} +
                           "1,A,X,1,2010-12-01 16:50:00,1,,France\n"
                           "2,A,X,1,2010-12-01 16:51:00,1,,France\n"
                           "1,B,X,1,2010-12-01 16:50:00,1,,France\n";
  const auto whole = read(*make_csv_reader("s", shop_mapping()), rows);
  const auto pieces = read(*make_csv_reader("s", shop_mapping()), rows, 3);
  EXPECT_EQ(whole.events, pieces.events);
  EXPECT_EQ(whole.lines, (std::vector<std::uint64_t>{2, 3}));
}

TEST(csv_import, a_row_too_far_behind_its_group_is_refused_not_made_a_second_order) {
  auto mapping = shop_mapping();
  mapping.group_window_rows = 1;
  const auto got =
      read(make_csv_reader("s", mapping), std::string{header} +
                                              "1,A,X,1,2010-12-01 16:50:00,1,,France\n"
                                              "2,A,X,1,2010-12-01 16:51:00,1,,France\n"
                                              "3,A,X,1,2010-12-01 16:51:00,1,,France\n"
                                              "1,B,X,1,2010-12-01 16:50:00,1,,France\n");
  EXPECT_EQ(got.refused, (words{"5 late_row"}));
  EXPECT_EQ(got.events.size(), 3);
}

TEST(csv_import, a_header_without_a_mapped_column_refuses_the_file_once) {
  const auto got = read(make_csv_reader("s", shop_mapping()), "InvoiceNo,Quantity\n1,2\n3,4\n");
  EXPECT_EQ(got.refused, (words{"1 bad_header"}));
}

TEST(csv_import, a_header_that_names_a_column_twice_refuses_the_file_once) {
  const auto got = read(make_csv_reader("s", shop_mapping()),
                        "InvoiceNo,InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,"
                        "CustomerID,Country\n1,A,X,1,2010-12-01 16:50:00,1,,France\n");
  EXPECT_EQ(got.refused, (words{"1 bad_header"}));
  EXPECT_TRUE(got.events.empty());
}

TEST(csv_import, without_grouping_every_row_is_an_event_with_a_counted_id) {
  const auto mapping = parse_mapping(
      "[columns]\ntime='t'\nuser='u'\n[props]\nplan='p'\n[[rule]]\nname='signup'", "m.toml");
  ASSERT_TRUE(mapping.ok()) << mapping.error().text();
  const auto got = read(make_csv_reader("s", *mapping),
                        "t,u,p\n2020-01-01T00:00:00Z,a,gold\n2020-01-01T00:00:00Z,a,gold\n");
  ASSERT_EQ(got.events.size(), 2);
  EXPECT_EQ(got.events[0].at("props"), (json{{"plan", "gold"}}));
  EXPECT_EQ(got.events[1].at("id"), got.events[0].at("id").get<std::string>() + "-2");
  EXPECT_FALSE(got.events[0].contains("order"));
}

TEST(import_mapping, what_is_wrong_is_named) {
  const auto failure_of = [](const std::string& text) {
    const auto mapping = parse_mapping(text, "m.toml");
    return mapping ? "" : mapping.error().detail;
  };
  const std::string good = "[columns]\ntime='t'\n[[rule]]\nname='x'\n";
  EXPECT_EQ(failure_of(good), "");
  EXPECT_EQ(failure_of("zon='UTC'\n" + good), "m.toml:1:5: unknown key zon");
  EXPECT_EQ(failure_of("zone='Mars'\n" + good), "m.toml: zone: 'Mars' is no time zone");
  EXPECT_EQ(failure_of("[columns]\ntime='t'\nitm='x'\n[[rule]]\nname='x'"),
            "m.toml: columns: unknown field itm");
  EXPECT_EQ(failure_of("[columns]\ntime='t'\n"),
            "m.toml: neither a rule nor a column gives events a name");
  EXPECT_EQ(failure_of("[columns]\ntime='t'\n[[rule]]\ncolumn='x'"),
            "m.toml: a rule needs a name or a refuse code");
  EXPECT_TRUE(failure_of("zone=\n").starts_with("m.toml:1:"));
}

}  // namespace
}  // namespace tally::api
