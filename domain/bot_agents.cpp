#include "domain/bot_agents.hpp"

#include <array>
#include <string>

#include "domain/ensure.hpp"
#include "domain/text_pattern.hpp"

namespace tally {
namespace {

// Words that phones and browsers of people have too are missing on purpose: CUBOT is a maker of
// phones, okhttp and CFNetwork are how apps speak.
constexpr auto patterns = std::to_array<std::string_view>({
    "(?:^|[^u])bots?(?:[^a-z]|$)",
    "crawl|spider|slurp|scrap(?:er|y)|archiver|indexer|harvest",
    "headless|phantomjs|selenium|puppeteer|playwright|webdriver|electron-fetch",
    "lighthouse|page ?speed|gtmetrix|pingdom|uptime|statuscake|site24x7|check_http|monitis",
    "facebookexternalhit|facebookcatalog|meta-external|skypeuripreview|^whatsapp/|embedly",
    "bingpreview|google web preview|google favicon|feedfetcher|mediapartners|apis-google",
    "google-(?:inspectiontool|read-aloud|extended|safety)|googleother|adsbot|duplexweb-google",
    "chatgpt-user|oai-searchbot|anthropic-ai|claude-(?:user|web)|perplexity|cohere-ai|ai2bot",
    "^(?:curl|wget|libcurl|httpie|aria2|lynx|axel)[/ ]|^(?:java|php|ruby|perl|node)(?:/|$)",
    "python-|^python/|aiohttp|httpx/|libwww|lwp-|go-http-client|apache-httpclient|jakarta",
    "node-fetch|^axios/|undici|guzzle|winhttp|http_request|httpunit|htmlunit|mechanize|urllib",
    "nutch|heritrix|larbin|htdig|ia_archiver|httrack|webcopier|offline explorer|netresearch",
    "feed(?:parser|burner|bin|ly/|press|demon|wrangler|spot)|tiny tiny rss|rss reader|ezooms",
    "masscan|zgrab|nmap|nikto|sqlmap|wpscan|nuclei|nessus|acunetix|expanse|censys|internet-census",
    "semrush|ahrefs|majestic|mj12|dataforseo|screaming frog|validator|link ?check|xenu",
    "libfetch|portscout|spinn3r|siteexplorer|wotbox|panscient|yandex(?:images|direct|metrika)",
});

const text_pattern& any_of_them() {
  static const text_pattern compiled = [] {
    std::string all = "(?i)";
    for (const auto pattern : patterns) {
      if (all.size() > 4) all += '|';
      all += pattern;
    }
    auto made = text_pattern::make(all);
    ensure(made.ok(), "the list of bots is no regular expression");
    return *made;
  }();
  return compiled;
}

}  // namespace

std::span<const std::string_view> bot_patterns() {
  return patterns;
}

bool is_bot_agent(std::string_view agent) {
  return any_of_them().found_in(agent);
}

}  // namespace tally
