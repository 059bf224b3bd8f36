#include "domain/traffic_source.hpp"

#include <gtest/gtest.h>

#include "domain/url_text.hpp"

namespace tally {
namespace {

std::string part(const traffic_texts& t, traffic_part p) {
  return t[static_cast<std::size_t>(p)];
}

/// "source, channel" of a visit to the shop.
std::string from(std::string_view query, std::string_view referrer = {}) {
  const auto t = traffic_of("https://www.shop.example/a" + std::string{query}, referrer);
  return part(t, traffic_part::source) + ", " + part(t, traffic_part::channel);
}

TEST(traffic_source, an_address_without_anything_tells_nothing) {
  for (const auto& text : traffic_of("https://shop.example/", "")) EXPECT_EQ(text, "");
  for (const auto& text : traffic_of("", "")) EXPECT_EQ(text, "");
}

TEST(traffic_source, the_own_host_as_referrer_is_no_source) {
  EXPECT_EQ(from("", "https://www.shop.example/b"), ", ");
  EXPECT_EQ(from("", "https://shop.example:8080/b"), ", ");
  EXPECT_EQ(from("", "https://blog.shop.example/b"), "blog.shop.example, Referral");
}

TEST(traffic_source, knows_sites_by_their_host_in_every_country) {
  EXPECT_EQ(from("", "https://www.google.de/search?q=x"), "Google, Organic Search");
  EXPECT_EQ(from("", "https://www.google.co.uk/"), "Google, Organic Search");
  EXPECT_EQ(from("", "https://mail.google.com/"), "Gmail, Email");
  EXPECT_EQ(from("", "https://l.facebook.com/l.php"), "Facebook, Organic Social");
  EXPECT_EQ(from("", "https://m.youtube.com/watch"), "YouTube, Organic Video");
  EXPECT_EQ(from("", "https://www.amazon.com.br/dp/1"), "Amazon, Organic Shopping");
  EXPECT_EQ(from("", "https://chatgpt.com/"), "ChatGPT, AI");
  EXPECT_EQ(from("", "https://google.evil.example/"), "google.evil.example, Referral");
  EXPECT_EQ(from("", "https://notgoogle.de/"), "notgoogle.de, Referral");
}

TEST(traffic_source, parameters_come_before_the_referrer) {
  EXPECT_EQ(from("?utm_source=facebook&utm_medium=cpc", "https://www.google.de/"),
            "Facebook, Paid Social");
  EXPECT_EQ(from("?utm_source=Newsletter%20May&utm_medium=email"), "Newsletter May, Email");
  EXPECT_EQ(from("?utm_source=google&utm_medium=cpc&utm_campaign=Shop+all"),
            "Google, Paid Shopping");
  EXPECT_EQ(from("?utm_source=partner&utm_medium=affiliate"), "partner, Affiliates");
  EXPECT_EQ(from("?utm_source=x&utm_medium=cpm"), "x, Display");
  EXPECT_EQ(from("?utm_source=x&utm_medium=ppc"), "x, Paid Other");
  EXPECT_EQ(from("?utm_medium=social"), ", Organic Social");
  EXPECT_EQ(from("?utm_campaign=spring"), ", Referral");
}

TEST(traffic_source, click_ids_tell_the_network_and_that_it_was_paid) {
  const auto t = traffic_of("https://shop.example/?x=1&gclid=abc#top", "https://www.google.com/");
  EXPECT_EQ(part(t, traffic_part::click_id_kind), "gclid");
  EXPECT_EQ(part(t, traffic_part::source), "Google");
  EXPECT_EQ(part(t, traffic_part::channel), "Paid Search");
  EXPECT_EQ(from("?msclkid=1"), "Bing, Paid Search");
  EXPECT_EQ(from("?ttclid=1"), "TikTok, Paid Video");
  EXPECT_EQ(from("?fbclid=1"), "Facebook, Organic Social") << "it is on every link of the network";
  EXPECT_EQ(from("?gclid="), ", ");
}

TEST(traffic_source, a_referrer_is_shown_as_host_and_path) {
  const auto referrer = [](std::string_view text) {
    return part(traffic_of("https://shop.example/", text), traffic_part::referrer);
  };
  EXPECT_EQ(referrer("https://www.Blog.example/post/?a=b#c"), "blog.example/post");
  EXPECT_EQ(referrer("https://blog.example"), "blog.example");
  EXPECT_EQ(referrer("android-app://com.reddit.frontpage/"), "com.reddit.frontpage");
  EXPECT_EQ(referrer("no address"), "no address");
}

TEST(url_text, parameters_are_decoded) {
  EXPECT_EQ(decode_parameter("a%20b+c%C3%A4"), "a b cä");
  EXPECT_EQ(decode_parameter("100%"), "100%");
  EXPECT_EQ(decode_parameter("%zz%2"), "%zz%2");
  EXPECT_EQ(url_query("/a?b=c#d?e"), "b=c");
  EXPECT_EQ(url_query("/a#b?c"), "");
}

}  // namespace
}  // namespace tally
