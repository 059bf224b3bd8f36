#include "api/pixel.hpp"

#include <gtest/gtest.h>

#include "api/jitsu.hpp"
#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

struct pixel_test : ::testing::Test {
  pixel_test() { sample.key = "jitsu:secret"; }
  foreign_reading get(const std::string& query) {
    return sample.read(parse_pixel, {}, query, "/v1/pixel.gif");
  }
  foreign_reading post(const std::string& path, std::string body) {
    return sample.read(parse_jitsu, std::move(body), {}, path);
  }
  foreign_sample sample;
};

TEST_F(pixel_test, reads_a_native_event) {
  const auto r =
      get("key=k&name=purchase&id=i1&at=2010-12-01T11:00:00Z&url=https%3A%2F%2Fshop%2F&visitor=v"
          "&props.plan=gold&order.id=7&order.total=12.50&order.currency=GBP");
  const auto& e = r.only();
  EXPECT_EQ(r.reply.status, 200u);
  EXPECT_EQ(r.reply.content_type, "image/gif");
  EXPECT_EQ(r.reply.body.substr(0, 6), "GIF89a");
  EXPECT_EQ(r.reply.body.size(), 43u);
  EXPECT_EQ(r.header("Cache-Control"), "no-store");
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.id, "i1");
  EXPECT_EQ(e.visitor, "v");
  EXPECT_EQ(e.order.id, "7");
  EXPECT_EQ(e.order.total, money{12'500'000});
  EXPECT_EQ(e.props, "\x81\xa4plan\xa4gold");
}

TEST_F(pixel_test, fills_in_what_the_request_itself_tells) {
  sample.referer = "https://shop.example/mail";
  const auto r = get("key=k");
  EXPECT_EQ(r.only().name, "page_view");
  EXPECT_EQ(r.only().url, "https://shop.example/mail");
  EXPECT_EQ(r.only().visitor.size(), 16u);
  EXPECT_EQ(r.only().agent, "header agent");
}

TEST_F(pixel_test, says_what_is_wrong) {
  EXPECT_EQ(get("key=k&order.total=2,55&name=purchase").reply.body,
            R"({"error":"order.total: '2,55' is not a decimal number"})");
  EXPECT_EQ(get("key=k&order.total=2,55&name=purchase").reply.status, 400u);
  sample.key = "unknown";
  EXPECT_EQ(get("key=k").reply.status, 401u);
}

TEST_F(pixel_test, jitsu_sends_segments_messages) {
  const auto r = post("/api/s/track", R"({"type":"track","event":"Signup","userId":"u",
      "anonymousId":"a","messageId":"m1","writeKey":"jitsu:***","properties":{"plan":"gold"}})");
  EXPECT_EQ(r.reply.body, R"({"ok":true})");
  EXPECT_EQ(r.only().merchant, "shop");
  EXPECT_EQ(r.only().name, "Signup");
  EXPECT_EQ(r.only().id, "m1");
  EXPECT_EQ(r.only().visitor, "a");
  EXPECT_EQ(post("/api/s/page", R"({"userId":"u"})").only().name, "page_view");
  EXPECT_EQ(post("/api/s/identify", R"({"userId":"u"})").only().kind, event_kind::identify);
  EXPECT_EQ(post("/api/s/track", "{").reply.status, 400u);
  sample.key = "unknown";
  EXPECT_EQ(post("/api/s/track", "{}").reply.status, 401u);
}

}  // namespace
}  // namespace tally::api
