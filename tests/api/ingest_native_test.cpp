#include "api/ingest_native.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "domain/shard.hpp"
#include "tests/api/ingest_samples.hpp"

namespace tally::api {
namespace {

std::unique_ptr<decoded_batch> parse(std::string body, const ingest_context& context) {
  return decode(parse_native(body, context));
}
std::unique_ptr<decoded_batch> parse(std::string body) {
  return parse(std::move(body), write_key_context());
}

// The example of the contract.
constexpr const char* full_event = R"({"id": "o-536365", "at": "2010-12-01T08:26:00Z",
 "name": "purchase", "visitor": "17850", "user": "17850", "session": null,
 "url": "https://shop.example/checkout?utm_source=news", "referrer": "https://search.example/",
 "title": "Thanks", "language": "en-GB", "screen": "1920x1080", "country": "GB",
 "device": "desktop", "browser": "firefox", "os": "linux", "props": {"plan": "gold"},
 "order": {"id": "536365", "currency": "GBP", "discount": "0", "tax": "23.20", "shipping": 4.99,
           "coupon": "XMAS", "items": [{"id": "85123A", "name": "WHITE HANGING HEART",
           "quantity": 6, "price": "2.55", "category": "gifts", "brand": null,
           "variant": null}]}})";

TEST(parse_native, does_not_store_the_key_that_a_body_shows) {
  const auto parsed = parse(R"({"writeKey": "tw_shop.secret", "name": "x", "plan": "gold"})");
  ASSERT_EQ(parsed->events.size(), 1u);
  const std::string extra{parsed->events[0].extra};
  EXPECT_NE(extra.find("gold"), std::string::npos);
  EXPECT_EQ(extra.find("writeKey"), std::string::npos);
  EXPECT_EQ(extra.find("secret"), std::string::npos);
}

TEST(parse_native, reads_every_field_of_an_event) {
  const auto parsed = parse(full_event);
  ASSERT_EQ(parsed->events.size(), 1u);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.kind, event_kind::data);
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.id, "o-536365");
  EXPECT_EQ(e.origin, id_origin::client);
  EXPECT_EQ(as_sent(e.sent), "2010-12-01T08:26:00Z");
  EXPECT_EQ(to_ms(e.at), 1'291'191'960'000);
  EXPECT_EQ(e.received_at, sample_now);
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.visitor, "17850");
  EXPECT_EQ(e.user, "17850");
  EXPECT_EQ(e.session, "");
  EXPECT_EQ(e.url, "https://shop.example/checkout?utm_source=news");
  EXPECT_EQ(e.referrer, "https://search.example/");
  EXPECT_EQ(e.title, "Thanks");
  EXPECT_EQ(e.language, "en-GB");
  EXPECT_EQ(e.screen, "1920x1080");
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
  EXPECT_EQ(e.extra, "");
  ASSERT_TRUE(e.has_order);
  EXPECT_EQ(e.order.id, "536365");
  EXPECT_EQ(e.order.currency, "GBP");
  EXPECT_EQ(e.order.coupon, "XMAS");
  EXPECT_EQ(e.order.discount, money{0});
  EXPECT_EQ(e.order.tax, money{23'200'000});
  EXPECT_EQ(e.order.shipping, money{4'990'000});
  EXPECT_FALSE(e.order.total);
  ASSERT_EQ(e.order.items.size(), 1u);
  EXPECT_EQ(e.order.items[0].id, "85123A");
  EXPECT_EQ(e.order.items[0].name, "WHITE HANGING HEART");
  EXPECT_EQ(e.order.items[0].category, "gifts");
  EXPECT_EQ(e.order.items[0].brand, "");
  EXPECT_EQ(e.order.items[0].quantity, money{6'000'000});
  EXPECT_EQ(e.order.items[0].price, money{2'550'000});
  EXPECT_EQ(parsed->batch.events[0].merchant_hash, merchant_hash("shop"));
}

TEST(parse_native, drops_what_a_browser_must_not_choose) {
  const auto parsed = parse(
      R"({"name":"x","country":"GB","device":"d","browser":"b","os":"o","agent":"forged",
          "ip":"198.51.100.7","address":"198.51.100.7","received_at":5})");
  ASSERT_EQ(parsed->events.size(), 1u);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.country, "");
  EXPECT_EQ(e.device, "");
  EXPECT_EQ(e.browser, "");
  EXPECT_EQ(e.os, "");
  EXPECT_EQ(e.agent, "header agent");
  EXPECT_EQ(e.network, "203.0.113.0/24");
  EXPECT_EQ(e.received_at, sample_now);
  EXPECT_EQ(e.extra, "");
}

TEST(parse_native, believes_a_platform_key) {
  const auto parsed = parse(
      R"([{"merchant":"a","name":"x","country":"GB","device":"d","browser":"b","os":"o",
           "agent":"believed","ip":"198.51.100.7","received_at":"2010-12-01T00:00:00Z"},
          {"name":"x","ip":"2001:db8:1:2::3","merchant":"b"}])",
      platform_context());
  ASSERT_EQ(parsed->events.size(), 2u);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.merchant, "a");
  EXPECT_EQ(e.country, "GB");
  EXPECT_EQ(e.device, "d");
  EXPECT_EQ(e.browser, "b");
  EXPECT_EQ(e.os, "o");
  EXPECT_EQ(e.agent, "believed");
  EXPECT_EQ(e.network, "198.51.100.0/24");
  EXPECT_EQ(format_rfc3339(e.received_at), "2010-12-01T00:00:00.000Z");
  EXPECT_EQ(parsed->events[1].network, "2001:db8:1::/48");
  EXPECT_EQ(parsed->batch.events[1].merchant_hash, merchant_hash("b"));
}

TEST(parse_native, keeps_unknown_fields_and_those_of_orders_under_their_full_name) {
  const auto parsed = parse(
      R"({"name":"purchase","color":"red","nothing":null,
          "order":{"gift":true,"items":[{"id":"1","size":[1,2]}]}})");
  ASSERT_EQ(parsed->events.size(), 1u);
  EXPECT_EQ(parsed->events[0].extra,
            "\x83\xa5"
            "color\xa3red\xaaorder.gift\xc3\xb3order.items[0].size\x92\x01\x02");
}

TEST(parse_native, packs_numbers_of_props_without_losing_digits) {
  const std::pair<std::string, std::string> cases[] = {
      {"0", std::string{"\x00", 1}},
      {"-0", std::string{"\x00", 1}},
      {"127", "\x7f"},
      {"128", "\xcc\x80"},
      {"65535", "\xcd\xff\xff"},
      {"70000", std::string{"\xce\x00\x01\x11\x70", 5}},
      {"18446744073709551615", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"},
      {"-1", "\xff"},
      {"-33", "\xd0\xdf"},
      {"-129", "\xd1\xff\x7f"},
      {"-9223372036854775808", std::string{"\xd3\x80\0\0\0\0\0\0\0", 9}},
      {"1.5", std::string{"\xcb\x3f\xf8\0\0\0\0\0\0", 9}},
      {"1.50", std::string{"\xcb\x3f\xf8\0\0\0\0\0\0", 9}},
      {"15e-1", std::string{"\xcb\x3f\xf8\0\0\0\0\0\0", 9}},
      {"0.30000000000000004", "\xcb\x3f\xd3\x33\x33\x33\x33\x33\x34"},
      {"18446744073709551616", std::string{"\xcb\x43\xf0\0\0\0\0\0\0", 9}},
      {"18446744073709551617",
       "\xb4"
       "18446744073709551617"},
      {"0.1000000000000000000001",
       "\xb8"
       "0.1000000000000000000001"},
      {"1e999",
       "\xa5"
       "1e999"},
      {"1e-999",
       "\xa6"
       "1e-999"}};
  for (const auto& [text, packed] : cases) {
    const auto parsed = parse(R"({"name":"x","props":{"n":)" + text + "}}");
    ASSERT_EQ(parsed->events.size(), 1u) << text;
    EXPECT_EQ(parsed->events[0].props, "\x81\xa1n" + packed) << text;
  }
}

TEST(parse_native, takes_integers_as_text_and_unescapes) {
  const auto parsed =
      parse(R"({"n\u0061me":"caf\u00e9 \ud83d\ude00","id":12345678901234567890,"visitor":7,)"
            R"("title":"cut \ud83d","at":1291191960000})");
  ASSERT_EQ(parsed->events.size(), 1u);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.name, "caf\xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(e.id, "12345678901234567890");
  EXPECT_EQ(e.visitor, "7");
  EXPECT_EQ(e.title, "cut \xEF\xBF\xBD");
  EXPECT_EQ(e.sent.form, time_form::integer_ms);
}

TEST(parse_native, cuts_hints_inside_no_character) {
  auto context = write_key_context();
  context.limits.hint_bytes_max = 4;
  const auto parsed =
      parse("{\"name\":\"x\",\"title\":\"abc\xC3\xA9\",\"referrer\":\"abcdef\"}", context);
  ASSERT_EQ(parsed->events.size(), 1u);
  EXPECT_EQ(parsed->events[0].title, "abc");
  EXPECT_EQ(parsed->events[0].referrer, "abcd");
}

TEST(parse_native, takes_the_time_of_receipt_where_none_is_given) {
  const auto parsed = parse(R"([{"name":"x"},{"name":"x","at":null}])");
  ASSERT_EQ(parsed->events.size(), 2u);
  for (const auto& e : parsed->events) {
    EXPECT_EQ(e.at, sample_now);
    EXPECT_EQ(e.sent.form, time_form::none);
  }
}

TEST(parse_native, accepts_a_time_one_hour_ahead_and_no_later) {
  const auto parsed = parse(R"([{"name":"x","at":1291208400000},{"name":"x","at":1291208400001}])");
  EXPECT_EQ(parsed->events.size(), 1u);
  ASSERT_EQ(parsed->batch.rejected.size(), 1u);
  EXPECT_EQ(parsed->batch.rejected[0].code, "at_in_future");
  EXPECT_EQ(parsed->batch.rejected[0].index, 1u);
}

TEST(parse_native, mints_an_id_where_nothing_else_names_the_event) {
  const auto parsed = parse(R"([{"name":"x"},{"name":"x"}])");
  ASSERT_EQ(parsed->events.size(), 2u);
  EXPECT_EQ(parsed->events[0].origin, id_origin::minted);
  EXPECT_EQ(parsed->events[0].id.size(), 26u);
  EXPECT_NE(parsed->events[0].id, parsed->events[1].id);
}

TEST(parse_native, derives_ids_from_the_idempotency_key_and_the_index) {
  auto context = write_key_context();
  context.idempotency_key = "k";
  const std::string body = R"([{"name":"x"},{"name":"x","id":"own"},{"name":"x"}])";
  const auto first = parse(body, context);
  const auto again = parse(body, context);
  ASSERT_EQ(first->events.size(), 3u);
  EXPECT_EQ(first->events[0].origin, id_origin::client);
  EXPECT_EQ(first->events[0].id.size(), 32u);
  EXPECT_EQ(first->events[1].id, "own");
  EXPECT_NE(first->events[0].id, first->events[2].id);
  EXPECT_EQ(first->events[2].id, again->events[2].id);
}

TEST(parse_native, names_a_purchase_after_its_order_where_it_has_no_id_and_no_time) {
  const auto parsed = parse(R"([{"name":"purchase","order":{"id":"7"}},
                                {"name":"purchase","at":1,"order":{"id":"7"}},
                                {"name":"refund","order":{"id":"7","amount":1}}])");
  ASSERT_EQ(parsed->events.size(), 3u);
  EXPECT_EQ(parsed->events[0].id, "order:7");
  EXPECT_EQ(parsed->events[0].origin, id_origin::client);
  EXPECT_EQ(parsed->events[1].origin, id_origin::minted);
  EXPECT_EQ(parsed->events[2].origin, id_origin::minted);
}

TEST(parse_native, reads_amounts_exactly) {
  const std::pair<std::string, std::int64_t> cases[] = {
      {"\"12.50\"", 12'500'000},
      {"12.50", 12'500'000},
      {"0.1", 100'000},
      {"1e-2", 10'000},
      {"9000000000000", 9'000'000'000'000'000'000},
      {"9007199254.740993", 9'007'199'254'740'993}};
  for (const auto& [text, millionths] : cases) {
    const auto parsed = parse(R"({"name":"purchase","order":{"subtotal":)" + text + "}}");
    ASSERT_EQ(parsed->events.size(), 1u) << text;
    EXPECT_EQ(parsed->events[0].order.subtotal, money{millionths}) << text;
  }
}

TEST(parse_native, nobodys_events_get_the_name_that_the_context_has_for_them) {
  std::string body = R"([{"name":"a"},{"name":"b","visitor":"v"},{"name":"c","user":"u"}])";
  auto context = write_key_context();
  context.visitor_name = "0123456789abcdef";
  const auto named = decode(parse_native(body, context));
  EXPECT_EQ(named->events.at(0).visitor, "0123456789abcdef");
  EXPECT_EQ(named->events.at(1).visitor, "v");
  EXPECT_EQ(named->events.at(2).visitor, "");
  EXPECT_EQ(decode(parse_native(body, write_key_context()))->events.at(0).visitor, "");
}

TEST(parse_native, reads_many_events_fast) {
  const std::string one =
      R"({"id":"0f8fad5b-d9cb-469f-a165-70867728950e","at":"2010-12-01T08:26:00.123Z",)"
      R"("name":"page_view","visitor":"7c9e6679-7425-40de-944b-e07fc1f90ae7",)"
      R"("url":"https://shop.example/products/85123A","referrer":"https://search.example/","a":1})";
  std::string body = "[" + one;
  for (int i = 1; i < 1'000; ++i) body += "," + one;
  body += "]";
  constexpr int rounds = 50;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t events = 0;
  for (int i = 0; i < rounds; ++i) {
    auto result = parse_native(body, write_key_context());
    events += std::get<parsed_batch>(result).events.size();
  }
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(events, 1'000u * rounds);
  std::printf("%.0f ns per event of %zu bytes\n", taken.count() / (1'000 * rounds), one.size());
}

}  // namespace
}  // namespace tally::api
