#include "config/ruleset_examples.hpp"

#include <gtest/gtest.h>

#include "domain/event_filter.hpp"
#include "persistence/ruleset_text.hpp"

namespace tally::config {
namespace {

ruleset read(std::string_view name) {
  for (const auto& example : ruleset_examples()) {
    if (example.name != name) continue;
    const auto rules = persistence::read_ruleset(example.text());
    EXPECT_TRUE(rules) << name << ": " << rules.error().text();
    if (rules) return *rules;
  }
  ADD_FAILURE() << "no example " << name;
  return {};
}

/// The reason for which an event is left out, or "".
std::string reason(const ruleset& rules, const event& e) {
  for (const auto& d : rules.drops)
    if (holds(d.filter, e)) return d.reason;
  return {};
}

TEST(ruleset_examples, every_one_is_a_ruleset_that_keeps_people) {
  event e;
  e.name = "page_view";
  e.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";
  e.device = "desktop";
  e.network = "198.51.100.0/24";
  e.referrer = "https://www.google.com/search?q=semalt.com";
  EXPECT_EQ(ruleset_examples().size(), 3u);
  for (const auto& example : ruleset_examples()) {
    const auto rules = read(example.name);
    EXPECT_FALSE(rules.drops.empty()) << example.name;
    EXPECT_EQ(reason(rules, e), "") << example.name;
  }
}

TEST(ruleset_examples, bots_are_known_by_device_agent_property_or_network) {
  const auto rules = read("bots");
  event device, agent, webdriver, hosting, proxy;
  device.device = "bot";
  agent.agent = "SomeBot/1.0";
  webdriver.props = "\x81\xa9webdriver\xc3";
  hosting.network = "203.0.113.0/24 hosting";
  proxy.network = "203.0.113.0/24 proxy";
  EXPECT_EQ(reason(rules, device), "bot");
  EXPECT_EQ(reason(rules, agent), "bot");
  EXPECT_EQ(reason(rules, webdriver), "bot");
  EXPECT_EQ(reason(rules, hosting), "data_centre");
  EXPECT_EQ(reason(rules, proxy), "") << "people use them";
}

TEST(ruleset_examples, referrer_spam_is_a_domain_and_its_subdomains) {
  const auto rules = read("referrer-spam");
  const std::pair<std::string_view, bool> cases[] = {{"https://semalt.com/a", true},
                                                     {"http://www.SEMALT.com", true},
                                                     {"websites-reviews.com", true},
                                                     {"http://4webmasters.org?x", true},
                                                     {"https://notsemalt.com/", false},
                                                     {"https://semalt.com.example/", false},
                                                     {"https://a.example/?u=semalt.com", false},
                                                     {"", false}};
  for (const auto& [referrer, spam] : cases) {
    event e;
    e.referrer = referrer;
    EXPECT_EQ(!reason(rules, e).empty(), spam) << referrer;
  }
}

TEST(ruleset_examples, own_traffic_is_a_network) {
  const auto rules = read("own-traffic");
  for (const auto* network : {"203.0.113.0/24", "203.0.113.0/24 hosting", "2001:db8:1::/48"}) {
    event e;
    e.network = network;
    EXPECT_EQ(reason(rules, e), "own_traffic") << network;
  }
}

}  // namespace
}  // namespace tally::config
