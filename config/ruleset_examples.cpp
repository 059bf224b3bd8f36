#include "config/ruleset_examples.hpp"

#include <array>

#include "domain/bot_agents.hpp"

namespace tally::config {
namespace {

// Sites that ask for pages only to be seen in the reports of who was asked.
constexpr std::array<std::string_view, 40> spam_domains{"4webmasters.org",
                                                        "7makemoneyonline.com",
                                                        "best-seo-offer.com",
                                                        "best-seo-solution.com",
                                                        "blackhatworth.com",
                                                        "buttons-for-website.com",
                                                        "buy-cheap-online.info",
                                                        "cenoval.ru",
                                                        "darodar.com",
                                                        "doska-vsem.ru",
                                                        "econom.co",
                                                        "event-tracking.com",
                                                        "fbdownloader.com",
                                                        "floating-share-buttons.com",
                                                        "forum69.info",
                                                        "free-share-buttons.com",
                                                        "free-social-buttons.com",
                                                        "get-free-traffic-now.com",
                                                        "guardlink.org",
                                                        "hulfingtonpost.com",
                                                        "humanorightswatch.org",
                                                        "ilovevitaly.com",
                                                        "kambasoft.com",
                                                        "makemoneyonline.com",
                                                        "o-o-6-o-o.com",
                                                        "priceg.com",
                                                        "rankings-analytics.com",
                                                        "ranksonic.info",
                                                        "savetubevideo.com",
                                                        "semalt.com",
                                                        "semaltmedia.com",
                                                        "simple-share-buttons.com",
                                                        "sitevaluation.org",
                                                        "social-buttons.com",
                                                        "success-seo.com",
                                                        "traffic2money.com",
                                                        "trafficmonetize.org",
                                                        "videos-for-your-business.com",
                                                        "webmonetizer.net",
                                                        "websites-reviews.com"};

/// Patterns have no single quotes, so they stand in TOML as they are.
std::string list_of(std::span<const std::string_view> patterns) {
  std::string out = "[\n";
  for (const auto pattern : patterns) out.append("    '").append(pattern).append("',\n");
  return out + "  ]";
}

std::string bots() {
  return R"(# Leaves out what no person did. The events stay in the journal and count again without
# this.

# Crawlers, monitors, feed readers, headless browsers, HTTP libraries: what a node recognised when
# the event arrived, our list of words for older events, and what a page's own script noticed.
[[drop]]
reason = "bot"
filter = ["or", [
  ["is", "visit:device", ["bot"]],
  ["is", "event:props:webdriver", ["true"]],
  ["matches", "visit:agent", )" +
         list_of(bot_patterns()) + R"(, {case_sensitive = false}],
]]

# Machines for rent, and networks known for attacks, as far as the database of networks knows them.
[[drop]]
reason = "data_centre"
filter = ["matches", "visit:network", [' (?:hosting|drop)$']]
)";
}

std::string referrer_spam() {
  std::string domains;
  for (const auto domain : spam_domains) {
    if (!domains.empty()) domains += '|';
    for (const char c : domain) domains.append(c == '.' ? "\\" : "").append(1, c);
  }
  std::string text = "# Leaves out visits that are made to put a site's name into reports.\n";
  text += "[[drop]]\nreason = \"referrer_spam\"\nfilter = [\"or\", [\n";
  // A pattern has a limited length.
  constexpr std::size_t pattern_bytes = 800;
  while (!domains.empty()) {
    auto end = domains.size() <= pattern_bytes ? domains.size() : domains.rfind('|', pattern_bytes);
    text += R"(  ["matches", "visit:referrer", ['^(?:https?://)?(?:[^/?#]*\.)?(?:)" +
            domains.substr(0, end) + ")(?:[:/?#]|$)'], {case_sensitive = false}],\n";
    domains.erase(0, std::min(end + 1, domains.size()));
  }
  return text + "]]\n";
}

std::string own_traffic() {
  return R"(# Leaves out what your own people do. Replace the networks by yours: the /24 of an IPv4
# address, the /48 of an IPv6 address, which is all that a node keeps of it.
[[drop]]
reason = "own_traffic"
filter = ["or", [
  ["matches", "visit:network", ['^(?:203\.0\.113\.0/24|2001:db8:1::/48)']],
  ["is", "event:props:internal", ["true"]],
]]
)";
}

constexpr std::array<ruleset_example, 3> examples{
    {{"bots", "crawlers, monitors, headless browsers, data centres", bots},
     {"own-traffic", "your own networks", own_traffic},
     {"referrer-spam", "visits made to be seen in reports", referrer_spam}}};

}  // namespace

std::span<const ruleset_example> ruleset_examples() {
  return examples;
}

}  // namespace tally::config
