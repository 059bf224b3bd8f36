#include "api/segment.hpp"

#include <gtest/gtest.h>

#include <random>

#include "api/segment_order.hpp"
#include "tests/api/ingest_samples.hpp"

namespace tally::api {
namespace {

std::unique_ptr<decoded_batch> parse(segment_call call, std::string body,
                                     const ingest_context& context = write_key_context()) {
  return decode(parse_segment(call, body, context));
}
std::unique_ptr<decoded_batch> track(const std::string& event, const std::string& properties) {
  return parse(segment_call::track,
               R"({"userId":"u","event":")" + event + R"(","properties":)" + properties + "}");
}
/// Code and detail of the only message, which is refused.
std::string refused(const decoded_batch& parsed) {
  if (parsed.batch.rejected.size() != 1) return "accepted";
  return parsed.batch.rejected[0].code + " " + parsed.batch.rejected[0].detail;
}

TEST(segment_call_of, knows_long_and_short_paths) {
  const std::pair<std::string_view, std::optional<segment_call>> cases[] = {
      {"/v1/batch", segment_call::batch},
      {"/v1/b", segment_call::batch},
      {"/v1/track", segment_call::track},
      {"/v1/t", segment_call::track},
      {"/v1/page", segment_call::page},
      {"/v1/p", segment_call::page},
      {"/v1/screen", segment_call::screen},
      {"/v1/s", segment_call::screen},
      {"/v1/identify", segment_call::identify},
      {"/v1/i", segment_call::identify},
      {"/v1/group", segment_call::group},
      {"/v1/g", segment_call::group},
      {"/v1/alias", segment_call::alias},
      {"/v1/a", segment_call::alias},
      {"/v1/events", std::nullopt},
      {"/v1/", std::nullopt},
      {"/v2/track", std::nullopt},
      {"", std::nullopt}};
  for (const auto& [path, call] : cases) EXPECT_EQ(segment_call_of(path), call) << path;
}

TEST(find_write_key, looks_at_the_top_level_only) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"batch":[{"writeKey":"inner"}],"writeKey" : "tw_shop.abc"})", "tw_shop.abc"},
      {R"({"writeKey":"k"})", "k"},
      {R"({"batch":[{"writeKey":"inner"}]})", ""},
      {R"({"a":"\"writeKey\":\"no\"","writeKey":7})", ""},
      {R"({"writeKey":"a\u0062"})", ""},
      {R"({"a":"{","writeKey":"k"})", "k"},
      {R"({"writeKey":"k)", ""},
      {R"({"writeKey")", ""},
      {R"("writeKey":"k")", ""},
      {"", ""}};
  for (const auto& [body, key] : cases) EXPECT_EQ(find_write_key(body), key) << body;
}

TEST(segment, reads_a_track_call) {
  const auto parsed = parse(segment_call::track, R"({"type":"track","event":"Video Played",
      "userId":"u1","anonymousId":"a1","messageId":"m1","timestamp":"2010-12-01T10:00:00.000Z",
      "properties":{"plan":"gold"},"writeKey":"secret","integrations":{"All":true},
      "_metadata":{"x":1},"color":"red",
      "context":{"ip":"198.51.100.7","userAgent":"browser","locale":"en-GB",
                 "timezone":"Europe/London","library":{"name":"x"},"sessionId":1700000000,
                 "screen":{"width":1920,"height":1080},
                 "page":{"url":"https://shop.example/a?b=1#c","referrer":"https://r.example/",
                         "title":"T","path":"/a"},
                 "campaign":{"source":"news letter","name":"spring"}}})");
  ASSERT_EQ(parsed->events.size(), 1u) << refused(*parsed);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.kind, event_kind::data);
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "Video Played");
  EXPECT_EQ(e.id, "m1");
  EXPECT_EQ(e.origin, id_origin::client);
  EXPECT_EQ(e.user, "u1");
  EXPECT_EQ(e.visitor, "a1");
  EXPECT_EQ(e.session, "1700000000");
  EXPECT_EQ(e.at, e.sent.at);
  EXPECT_EQ(as_sent(e.sent), "2010-12-01T10:00:00.000Z");
  EXPECT_EQ(e.received_at, sample_now);
  EXPECT_EQ(e.url, "https://shop.example/a?b=1&utm_source=news%20letter&utm_campaign=spring#c");
  EXPECT_EQ(e.referrer, "https://r.example/");
  EXPECT_EQ(e.title, "T");
  EXPECT_EQ(e.language, "en-GB");
  EXPECT_EQ(e.screen, "1920x1080");
  EXPECT_EQ(e.agent, "browser");
  EXPECT_EQ(e.network, "203.0.113.0/24");
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
  EXPECT_EQ(e.extra,
            "\x81\xa5"
            "color\xa3red");
  EXPECT_EQ(e.country, "GB") << "of the time zone, which is not kept";
  EXPECT_FALSE(e.has_order);
}

TEST(segment, corrects_the_time_by_the_clients_clock_and_remembers_what_was_sent) {
  struct time_case {
    std::string fields;
    std::string_view at;
  };
  const time_case cases[] = {
      {R"("timestamp":"2010-12-01T10:00:00Z","sentAt":"2010-12-01T10:00:05Z")",
       "2010-12-01T11:59:55.000Z"},
      {R"("originalTimestamp":"2010-12-01T10:00:00Z","timestamp":"2001-01-01T00:00:00Z",)"
       R"("sentAt":"2010-12-01T10:00:05Z")",
       "2010-12-01T11:59:55.000Z"},
      {R"("timestamp":"2010-12-01T10:00:00Z","sentAt":"no time")", "2010-12-01T10:00:00.000Z"},
      {R"("timestamp":"2010-12-01T10:00:00Z","sentAt":null)", "2010-12-01T10:00:00.000Z"},
      {R"("timestamp":"2010-12-01T10:00:00Z")", "2010-12-01T10:00:00.000Z"},
      {R"("sentAt":"2010-12-01T10:00:05Z")", "2010-12-01T12:00:00.000Z"},
      {R"("timestamp":"2030-01-01T00:00:00Z","sentAt":"2030-01-01T00:00:01Z")",
       "2010-12-01T11:59:59.000Z"}};
  for (const auto& c : cases) {
    const auto parsed =
        parse(segment_call::track, R"({"event":"x","userId":"u",)" + c.fields + "}");
    ASSERT_EQ(parsed->events.size(), 1u) << refused(*parsed);
    EXPECT_EQ(format_rfc3339(parsed->events[0].at), c.at) << c.fields;
  }
  const auto parsed =
      parse(segment_call::track, R"({"event":"x","userId":"u",)" + cases[0].fields + "}");
  EXPECT_EQ(as_sent(parsed->events[0].sent), "2010-12-01T10:00:00Z");
}

TEST(segment, lets_the_batch_stand_in_for_what_a_message_lacks) {
  const auto parsed = parse(segment_call::batch, R"({"batch":[
      {"type":"track","event":"a","userId":"u","timestamp":"2010-12-01T10:00:00Z"},
      {"type":"track","event":"b","userId":"u","timestamp":"2010-12-01T10:00:00Z",
       "sentAt":"2010-12-01T10:00:01Z","context":{"locale":"de"}}],
      "writeKey":"k","sentAt":"2010-12-01T10:00:05Z",
      "context":{"locale":"en","userAgent":"server"}})");
  ASSERT_EQ(parsed->events.size(), 2u);
  EXPECT_EQ(parsed->events[0].language, "en");
  EXPECT_EQ(parsed->events[1].language, "de");
  EXPECT_EQ(parsed->events[1].agent, "server");
  EXPECT_EQ(format_rfc3339(parsed->events[0].at), "2010-12-01T11:59:55.000Z");
  EXPECT_EQ(format_rfc3339(parsed->events[1].at), "2010-12-01T11:59:59.000Z");
}

TEST(segment, makes_page_views_of_page_calls) {
  const auto parsed = parse(segment_call::page, R"({"anonymousId":"a","name":"Home",
      "properties":{"url":"https://shop.example/","title":"Own","path":"/"},
      "context":{"page":{"url":"https://other.example/","referrer":"https://r.example/"}}})");
  ASSERT_EQ(parsed->events.size(), 1u);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.name, "page_view");
  EXPECT_EQ(e.url, "https://shop.example/");
  EXPECT_EQ(e.title, "Own");
  EXPECT_EQ(e.referrer, "https://r.example/");
  EXPECT_EQ(e.visitor, "a");
  EXPECT_EQ(e.user, "");
  EXPECT_EQ(e.props, "\x81\xa4path\xa1/");
  EXPECT_EQ(e.extra, "\x81\xa4name\xa4Home");
  EXPECT_EQ(e.agent, "header agent");
}

TEST(segment, makes_events_of_the_other_calls) {
  struct call_case {
    segment_call call;
    std::string body, name, props, extra;
    event_kind kind = event_kind::data;
  };
  const call_case cases[] = {
      {segment_call::screen, R"({"userId":"u","name":"Cart","properties":{"a":1}})", "screen",
       "\x81\xa1"
       "a\x01",
       "\x81\xa4name\xa4"
       "Cart"},
      {segment_call::identify, R"({"userId":"u","anonymousId":"a","traits":{"plan":2}})",
       "identify", "\x81\xa4plan\x02", "", event_kind::identify},
      {segment_call::group, R"({"userId":"u","groupId":"g","traits":{"a":1}})", "group",
       "\x81\xa1"
       "a\x01",
       "\x81\xa7groupId\xa1g"},
      {segment_call::alias, R"({"userId":"u","previousId":"p"})", "alias", "",
       "\x81\xaapreviousId\xa1p"}};
  for (const auto& c : cases) {
    const auto parsed = parse(c.call, c.body);
    ASSERT_EQ(parsed->events.size(), 1u) << c.body;
    EXPECT_EQ(parsed->events[0].name, c.name);
    EXPECT_EQ(parsed->events[0].kind, c.kind);
    EXPECT_EQ(parsed->events[0].props, c.props);
    EXPECT_EQ(parsed->events[0].extra, c.extra);
    EXPECT_EQ(parsed->events[0].user, "u");
  }
}

TEST(segment, makes_a_purchase_of_order_completed) {
  const auto parsed = track("Order Completed", R"({"order_id":"536365","currency":"gbp",
      "total":"27.50","tax":2,"shipping":3.00,"discount":"2.5","coupon":"XMAS","affiliation":"web",
      "products":[{"product_id":"85123A","sku":"s","name":"HOLDER","category":"c","brand":"b",
                   "variant":"v","price":2.55,"quantity":6,"position":3},
                  {"id":"2","price":"1"}]})");
  ASSERT_EQ(parsed->events.size(), 1u) << refused(*parsed);
  const auto& e = parsed->events[0];
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.id, "order:536365");
  ASSERT_TRUE(e.has_order);
  EXPECT_EQ(e.order.id, "536365");
  EXPECT_EQ(e.order.currency, "GBP");
  EXPECT_EQ(e.order.coupon, "XMAS");
  EXPECT_EQ(e.order.total, money{27'500'000});
  EXPECT_EQ(e.order.tax, money{2'000'000});
  EXPECT_EQ(e.order.shipping, money{3'000'000});
  EXPECT_EQ(e.order.discount, money{2'500'000});
  EXPECT_FALSE(e.order.subtotal);
  ASSERT_EQ(e.order.items.size(), 2u);
  EXPECT_EQ(e.order.items[0].id, "85123A");
  EXPECT_EQ(e.order.items[0].sku, "s");
  EXPECT_EQ(e.order.items[0].name, "HOLDER");
  EXPECT_EQ(e.order.items[0].category, "c");
  EXPECT_EQ(e.order.items[0].brand, "b");
  EXPECT_EQ(e.order.items[0].variant, "v");
  EXPECT_EQ(e.order.items[0].price, money{2'550'000});
  EXPECT_EQ(e.order.items[0].quantity, money{6'000'000});
  EXPECT_EQ(e.order.items[1].id, "2");
  EXPECT_EQ(e.order.items[1].quantity, money{1'000'000});
  EXPECT_EQ(e.props,
            "\x81\xab"
            "affiliation\xa3web");
  EXPECT_EQ(e.extra, "\x81\xbfproperties.products[0].position\x03");
}

TEST(segment, finds_what_an_order_without_products_sold) {
  struct subtotal_case {
    std::string properties;
    std::optional<money> subtotal;
  };
  const subtotal_case cases[] = {
      {R"({"subtotal":22.5,"discount":2.5,"revenue":1})", money{25'000'000}},
      {R"({"subtotal":22.5})", money{22'500'000}},
      {R"({"revenue":25})", money{25'000'000}},
      {R"({"revenue":25,"total":27.5})", std::nullopt}};
  for (const auto& c : cases) {
    const auto parsed = track("Order Completed", c.properties);
    ASSERT_EQ(parsed->events.size(), 1u) << refused(*parsed);
    EXPECT_EQ(parsed->events[0].order.subtotal, c.subtotal) << c.properties;
  }
}

TEST(segment, makes_a_refund_of_order_refunded) {
  struct refund_case {
    std::string properties;
    std::optional<money> amount;
    std::size_t items;
  };
  const refund_case cases[] = {
      {R"({"order_id":"1","total":30})", money{30'000'000}, 0},
      {R"({"order_id":"1","revenue":"20"})", money{20'000'000}, 0},
      {R"({"order_id":"1","total":30,"products":[{"product_id":"a","quantity":1}]})",
       money{30'000'000}, 0},
      {R"({"order_id":"1","total":30,"products":[{"product_id":"a","quantity":2,"price":3}]})",
       std::nullopt, 1}};
  for (const auto& c : cases) {
    const auto parsed = track("Order Refunded", c.properties);
    ASSERT_EQ(parsed->events.size(), 1u) << refused(*parsed);
    EXPECT_EQ(parsed->events[0].name, "refund");
    EXPECT_EQ(parsed->events[0].order.amount, c.amount) << c.properties;
    EXPECT_EQ(parsed->events[0].order.items.size(), c.items) << c.properties;
  }
}

TEST(segment, makes_cart_and_checkout_events) {
  const auto cart = track("Product Added",
                          R"({"product_id":"p","price":2,"quantity":3,"name":"N","cart_id":"c"})");
  ASSERT_EQ(cart->events.size(), 1u);
  EXPECT_EQ(cart->events[0].name, "add_to_cart");
  ASSERT_EQ(cart->events[0].order.items.size(), 1u);
  EXPECT_EQ(cart->events[0].order.items[0].id, "p");
  EXPECT_EQ(cart->events[0].order.items[0].quantity, money{3'000'000});
  EXPECT_EQ(cart->events[0].props,
            "\x81\xa7"
            "cart_id\xa1"
            "c");
  const auto checkout = track("Checkout Started", R"({"order_id":"1","products":[]})");
  ASSERT_EQ(checkout->events.size(), 1u);
  EXPECT_EQ(checkout->events[0].name, "checkout");
  EXPECT_EQ(track("Product Viewed", "{}")->events[0].name, "Product Viewed");
}

TEST(segment, rejects_single_messages_by_index) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"type":"dance","userId":"u"})", "bad_type type: 'dance' is no Segment call"},
      {R"({"type":"batch","userId":"u"})", "bad_type type: 'batch' is no Segment call"},
      {R"({"userId":"u"})", "bad_type type: is missing"},
      {R"(7)", "bad_type a message must be an object"},
      {R"({"type":"track","userId":"u"})", "missing_name event: is missing"},
      {R"({"type":"track","event":7})", "bad_type event: must be text"},
      {R"({"type":"track","event":""})", "bad_name event: has 0 bytes, must have 1 to 200"},
      {R"({"type":"track","event":"x","userId":{}})", "bad_type userId: must be text"},
      {R"({"type":"track","event":"x","messageId":")" + std::string(101, 'm') + "\"}",
       "bad_id messageId: has 101 bytes, must have 1 to 100"},
      {R"({"type":"track","event":"x","timestamp":"soon"})",
       "bad_at timestamp: 'soon' is not an RFC 3339 time or integer milliseconds"},
      {R"({"type":"track","event":"x","timestamp":"2010-12-01T14:00:00Z"})",
       "at_in_future timestamp: 2010-12-01T14:00:00.000Z is too far ahead of now, "
       "2010-12-01T12:00:00.000Z"},
      {R"({"type":"track","event":"x","timestamp":"0001-01-01T00:00:00Z"})",
       "at_too_old timestamp: 0001-01-01T00:00:00.000Z is before 1970-01-01T00:00:00.000Z"},
      {R"({"type":"track","event":"x","properties":[]})", "bad_type properties: must be an object"},
      {R"({"type":"identify","traits":7})", "bad_type traits: must be an object"},
      {R"({"type":"track","event":"Order Completed","properties":{"products":{}}})",
       "bad_type properties.products: must be an array of objects"},
      {R"({"type":"track","event":"Order Completed","properties":{"products":[{"price":"2,55"}]}})",
       "bad_amount properties.products[0].price: '2,55' is not a decimal number"},
      {R"({"type":"track","event":"Order Refunded",
           "properties":{"products":[{"price":1,"quantity":-1}]}})",
       "bad_quantity properties.products[0].quantity: must not be negative"},
      {R"({"type":"track","event":"Order Completed","properties":{"currency":"pounds"}})",
       "bad_currency properties.currency: 'pounds' is not three letters"},
      {R"({"type":"track","event":"Order Completed","properties":{"subtotal":9e12,"discount":1}})",
       "amount_overflow properties: subtotal + discount is more than 9000000000000 units"},
      {R"({"type":"track","event":"Order Refunded"})",
       "bad_amount properties: a refund needs products with prices, a total or a revenue"},
      {R"({"type":"track","event":"Order Refunded","properties":{"total":-1}})",
       "bad_amount properties: a refund's total or revenue must be positive"}};
  for (const auto& [message, refusal_text] : cases) {
    const auto parsed =
        parse(segment_call::batch, R"({"batch":[{"type":"page","userId":"u"},)" + message +
                                       R"(,{"type":"page","userId":"u"}]})");
    EXPECT_EQ(parsed->events.size(), 2u) << message;
    EXPECT_EQ(refused(*parsed), refusal_text);
    EXPECT_EQ(parsed->batch.rejected[0].index, 1u);
    EXPECT_EQ(parsed->batch.rejected[0].raw, message == "7" ? "7" : message);
    EXPECT_EQ(parsed->batch.rejected[0].merchant, "shop");
  }
}

TEST(segment, rejects_the_surplus_of_a_batch) {
  std::string body = R"({"batch":[{"type":"page"})";
  for (int i = 1; i < 2'502; ++i) body += R"(,{"type":"page"})";
  const auto parsed = parse(segment_call::batch, body + "]}");
  EXPECT_EQ(parsed->events.size(), 2'500u);
  ASSERT_EQ(parsed->batch.rejected.size(), 2u);
  EXPECT_EQ(parsed->batch.rejected[0].code, "too_many_events");
  EXPECT_EQ(parsed->batch.rejected[0].index, 2'500u);
}

TEST(segment, never_refuses_for_what_clients_collect_by_themselves) {
  const auto parsed = parse(segment_call::track, R"({"event":"x","userId":"u","context":{
      "page":{"url":[],"title":{}},"locale":7.5,"userAgent":null,"screen":{"width":"a"},
      "campaign":"c","sessionId":true,"timezone":1}})");
  ASSERT_EQ(parsed->events.size(), 1u) << refused(*parsed);
  EXPECT_EQ(parsed->events[0].url, "");
  EXPECT_EQ(parsed->events[0].extra, "");
  EXPECT_EQ(parse(segment_call::track, R"({"event":"x","context":7})")->events.size(), 1u);
}

TEST(segment, keeps_a_campaign_beside_an_event_without_url) {
  const auto parsed =
      parse(segment_call::track, R"({"event":"x","context":{"campaign":{"source":"s"}}})");
  ASSERT_EQ(parsed->events.size(), 1u);
  EXPECT_EQ(parsed->events[0].extra,
            "\x81\xa8"
            "campaign\x81\xa6source\xa1s");
}

TEST(segment, does_not_multiply_a_large_context_of_the_batch) {
  std::string messages = R"({"type":"page"})";
  for (int i = 1; i < 1'000; ++i) messages += R"(,{"type":"page"})";
  const std::string large(100'000, 'x');
  const auto parsed =
      parse(segment_call::batch, R"({"context":{"campaign":{"source":")" + large +
                                     R"("},"timezone":")" + large + R"(","userAgent":")" + large +
                                     R"("},"batch":[)" + messages + "]}");
  EXPECT_EQ(parsed->events.size(), 1'000u);
  EXPECT_LT(parsed->batch.bytes.size(), 1'000'000u);
}

TEST(segment, believes_a_platform_key) {
  const auto parsed = parse(segment_call::batch,
                            R"({"merchant":"a","batch":[
      {"type":"track","event":"x","context":{"ip":"198.51.100.7"}},
      {"type":"track","event":"x","merchant":"b"},{"type":"track","event":"x","merchant":"/"}]})",
                            platform_context());
  ASSERT_EQ(parsed->events.size(), 2u);
  EXPECT_EQ(parsed->events[0].merchant, "a");
  EXPECT_EQ(parsed->events[0].network, "198.51.100.0/24");
  EXPECT_EQ(parsed->events[1].merchant, "b");
  EXPECT_EQ(parsed->events[1].network, "");
  EXPECT_EQ(parsed->events[1].agent, "");
  EXPECT_EQ(parsed->batch.rejected[0].code, "bad_merchant");
}

TEST(segment, cannot_read_a_body_that_is_no_object) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "empty_body the body holds no message"},
      {"[]", "bad_json line 1, column 1: unexpected character or end"},
      {"{\"batch\":[}", "bad_json line 1, column 11: unexpected character or end"},
      {"{}", "bad_type batch: must be an array of messages"},
      {"{\"batch\":{}}", "bad_type batch: must be an array of messages"}};
  for (const auto& [text, expected] : cases) {
    auto body = text;
    const auto result = parse_segment(segment_call::batch, body, write_key_context());
    const auto* const failed = std::get_if<unreadable_body>(&result);
    ASSERT_NE(failed, nullptr) << text;
    EXPECT_EQ(failed->status, 400);
    EXPECT_EQ(failed->code + " " + failed->detail, expected);
  }
}

TEST(segment, survives_random_bytes) {
  const std::string seed =
      R"({"batch":[{"type":"track","event":"Order Refunded","userId":"u","timestamp":1,)"
      R"("properties":{"total":1,"products":[{"price":"1","quantity":2}]},)"
      R"("context":{"page":{"url":"u"},"campaign":{"name":"n"}}}],"sentAt":2})";
  std::mt19937 random{11};
  for (int i = 0; i < 20'000; ++i) {
    auto body = seed;
    for (auto n = random() % 4; n > 0; --n) {
      const auto at = random() % body.size();
      switch (random() % 3) {
        case 0:
          body[at] = static_cast<char>(random());
          break;
        case 1:
          body.erase(at, 1 + random() % 5);
          break;
        default:
          body.insert(at, 1, "{}[]\",:\\ \n0e-"[random() % 13]);
          break;
      }
    }
    static_cast<void>(find_write_key(body));
    auto result = parse_segment(segment_call::batch, body, write_key_context());
    if (std::holds_alternative<parsed_batch>(result)) decode(std::move(result));
  }
}

}  // namespace
}  // namespace tally::api
