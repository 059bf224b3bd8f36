#include "api/matomo.hpp"

#include <gtest/gtest.h>

#include "tests/api/foreign_samples.hpp"

namespace tally::api {
namespace {

struct matomo_test : ::testing::Test {
  foreign_reading get(const std::string& query) {
    return sample.read(parse_matomo, {}, query, "/matomo.php");
  }
  foreign_reading post(std::string body) {
    return sample.read(parse_matomo, std::move(body), {}, "/matomo.php");
  }
  foreign_sample sample;
};

TEST_F(matomo_test, reads_a_page_view) {
  const auto r = get(
      "idsite=1&rec=1&url=https%3A%2F%2Fshop.example%2Fa&action_name=Home+page&_id=0123456789abcdef"
      "&uid=u1&urlref=https%3A%2F%2Fr%2F&res=1920x1080&lang=en");
  const auto& e = r.only();
  EXPECT_EQ(r.reply.status, 200u);
  EXPECT_EQ(r.reply.content_type, "image/gif");
  EXPECT_EQ(r.reply.body.size(), 43u);
  EXPECT_EQ(e.merchant, "shop");
  EXPECT_EQ(e.name, "page_view");
  EXPECT_EQ(e.url, "https://shop.example/a");
  EXPECT_EQ(e.title, "Home page");
  EXPECT_EQ(e.visitor, "0123456789abcdef");
  EXPECT_EQ(e.user, "u1");
  EXPECT_EQ(e.referrer, "https://r/");
  EXPECT_EQ(e.screen, "1920x1080");
  EXPECT_EQ(get("idsite=1&send_image=0").reply.status, 204u);
  EXPECT_EQ(get("idsite=1").only().visitor.size(), 16u);
}

TEST_F(matomo_test, reads_events_goals_and_actions) {
  const auto event = get("idsite=1&e_c=Video&e_a=Play&e_n=Intro&e_v=7");
  EXPECT_EQ(event.only().name, "Play");
  EXPECT_EQ(event.only().props,
            "\x83\xa8"
            "category\xa5Video\xa4name\xa5Intro\xa5value\xa1"
            "7");
  EXPECT_EQ(get("idsite=1&idgoal=3").only().name, "goal");
  EXPECT_EQ(get("idsite=1&search=shoes").only().name, "site_search");
  EXPECT_EQ(get("idsite=1&link=https://x/").only().name, "link");
  EXPECT_EQ(get("idsite=1&idgoal=0&revenue=5").only().name, "cart_update");
  EXPECT_EQ(get("idsite=1&ping=1").got->batch.count, 0u);
}

TEST_F(matomo_test, reads_an_order) {
  const auto r =
      get("idsite=1&idgoal=0&ec_id=o1&revenue=27.5&ec_st=22.5&ec_tx=2&ec_sh=3&ec_dt=&ec_items="
          "%5B%5B%22s1%22%2C%22Shirt%22%2C%5B%22Clothes%22%2C%22x%22%5D%2C11.25%2C2%5D%2C%5B%22s2%"
          "22%5D%5D");
  const auto& e = r.only();
  EXPECT_EQ(e.name, "purchase");
  EXPECT_EQ(e.id, "order:o1");
  EXPECT_EQ(e.order.total, money{27'500'000});
  EXPECT_EQ(e.order.subtotal, money{22'500'000});
  EXPECT_EQ(e.order.tax, money{2'000'000});
  EXPECT_EQ(e.order.shipping, money{3'000'000});
  EXPECT_FALSE(e.order.discount);
  ASSERT_EQ(e.order.items.size(), 2u);
  EXPECT_EQ(e.order.items[0].sku, "s1");
  EXPECT_EQ(e.order.items[0].name, "Shirt");
  EXPECT_EQ(e.order.items[0].category, "Clothes");
  EXPECT_EQ(e.order.items[0].price, money{11'250'000});
  EXPECT_EQ(e.order.items[0].quantity, money{2'000'000});
  EXPECT_EQ(e.order.items[1].quantity, money{1'000'000});
}

TEST_F(matomo_test, believes_address_agent_and_old_times_of_a_platform_key_only) {
  const std::string fields = "idsite=1&cip=198.51.100.7&ua=other+agent";
  EXPECT_EQ(get(fields).only().agent, "header agent");
  EXPECT_EQ(get("idsite=1&cdt=1291200000").only().at, time_from_ms(1'291'200'000'000));
  EXPECT_EQ(get("idsite=1&cdt=2010-12-01+11:00:00").only().at, time_from_ms(1'291'201'200'000));
  EXPECT_EQ(get("idsite=1&cdt=1200000000").refused(),
            "bad_at cdt: is more than 24 hours ago, which needs a token_auth");
  const auto r = get(fields + "&cdt=1200000000&token_auth=" + sample.platform_key);
  EXPECT_EQ(r.only().agent, "other agent");
  EXPECT_EQ(r.only().network, "198.51.100.0/24");
  EXPECT_EQ(r.only().at, time_from_ms(1'200'000'000'000));
}

TEST_F(matomo_test, reads_many_requests_at_once) {
  const auto r = post(R"({"requests":["?idsite=1&rec=1&url=https://a/","idsite=2&e_a=x",
      "?idsite=9",7],"token_auth":""})");
  ASSERT_EQ(r.got->events.size(), 2u);
  EXPECT_EQ(r.got->events[1].merchant, "other");
  EXPECT_EQ(r.reply.body, R"({"status":"success","tracked":2,"invalid":2})");
  EXPECT_EQ(post("idsite=1&e_a=x").only().name, "x");
}

TEST_F(matomo_test, refuses_what_it_cannot_use) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "idsite: An unexpected website was found in the request\n"},
      {"idsite=9", "idsite: An unexpected website was found in the request\n"},
      {"idsite=1&cdt=soon", "cdt: 'soon' is no time\n"},
      {"idsite=1&idgoal=0&ec_id=1&revenue=much", "revenue: 'much' is not a decimal number\n"},
      {"idsite=1&idgoal=0&ec_id=1&ec_items=%5B7%5D", "ec_items: must be an array of arrays\n"},
      {"idsite=1&idgoal=0&ec_id=1&ec_items=x", "ec_items: is no JSON\n"}};
  for (const auto& [query, text] : cases) {
    const auto r = get(query);
    EXPECT_EQ(r.reply.status, 400u) << query;
    EXPECT_EQ(r.reply.body, text);
  }
  for (const auto* body : {"{", "{}", R"({"requests":{}})"})
    EXPECT_EQ(post(body).reply.status, 400u) << body;
}

}  // namespace
}  // namespace tally::api
