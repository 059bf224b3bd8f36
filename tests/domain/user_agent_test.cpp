#include "domain/user_agent.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <vector>

#include "domain/agent_cache.hpp"
#include "domain/bot_agents.hpp"
#include "domain/event_filter.hpp"
#include "domain/text_pattern.hpp"

namespace tally {
namespace {

const std::filesystem::path uap_core = "/usr/share/uap-core";

/// The patterns of the package on this machine, whatever its version.
struct installed_patterns {
  std::deque<std::string> texts;
  std::vector<agent_rule> browsers, systems, devices;

  installed_patterns() {
    const auto file = YAML::LoadFile(uap_core / "regexes.yaml");
    read(file["user_agent_parsers"],
         {"family_replacement", "v1_replacement", "v2_replacement", "v3_replacement"}, browsers);
    read(file["os_parsers"],
         {"os_replacement", "os_v1_replacement", "os_v2_replacement", "os_v3_replacement",
          "os_v4_replacement"},
         systems);
    read(file["device_parsers"], {"device_replacement", "brand_replacement", "model_replacement"},
         devices);
  }

 private:
  void read(const YAML::Node& list, const std::vector<std::string>& parts,
            std::vector<agent_rule>& out) {
    for (const auto& node : list) {
      agent_rule rule;
      rule.expression = texts.emplace_back(node["regex"].as<std::string>());
      rule.any_case = node["regex_flag"].IsDefined();
      for (std::size_t i = 0; i < parts.size(); ++i)
        if (node[parts[i]]) rule.parts[i] = texts.emplace_back(node[parts[i]].as<std::string>());
      out.push_back(rule);
    }
  }
};

/// One of uap-core's own files of cases against a list. Gives how many there were.
int check_cases(const std::string& file, const agent_patterns& patterns,
                const std::vector<std::string>& parts) {
  int count = 0, wrong = 0;
  for (const auto& node : YAML::LoadFile(uap_core / file)["test_cases"]) {
    const auto agent = node["user_agent_string"].as<std::string>();
    auto found = patterns.find(agent);
    if (found[0].empty()) found[0] = "Other";
    ++count;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto value = node[parts[i]];
      const auto want = value && !value.IsNull() ? value.as<std::string>() : std::string{};
      if (found[i] == want || ++wrong > 10) continue;
      ADD_FAILURE() << file << ": " << parts[i] << " of '" << agent << "' is '" << found[i]
                    << "', not '" << want << "'";
    }
  }
  EXPECT_EQ(wrong, 0) << file;
  return count;
}

void check_all_cases(const agent_patterns& browsers, const agent_patterns& systems,
                     const agent_patterns& devices) {
  const std::vector<std::string> versions{"family", "major", "minor", "patch"};
  const std::vector<std::string> os_versions{"family", "major", "minor", "patch", "patch_minor"};
  EXPECT_GT(check_cases("tests/test_ua.yaml", browsers, versions), 1'000);
  EXPECT_GT(check_cases("tests/test_os.yaml", systems, os_versions), 400);
  EXPECT_GT(check_cases("tests/test_device.yaml", devices, {"family", "brand", "model"}), 10'000);
  const std::string more = "test_resources/";
  check_cases(more + "firefox_user_agent_strings.yaml", browsers, versions);
  check_cases(more + "opera_mini_user_agent_strings.yaml", browsers, versions);
  check_cases(more + "podcasting_user_agent_strings.yaml", browsers, versions);
  check_cases(more + "additional_os_tests.yaml", systems, os_versions);
}

TEST(agent_patterns, every_case_of_uap_core_holds) {
  if (!exists(uap_core)) GTEST_SKIP() << "package uap-core is not installed";
  const installed_patterns rules;
  const auto browsers = agent_patterns::make(rules.browsers, agent_list::products);
  const auto systems = agent_patterns::make(rules.systems, agent_list::products);
  const auto devices = agent_patterns::make(rules.devices, agent_list::devices);
  ASSERT_TRUE(browsers && systems && devices);
  check_all_cases(*browsers, *systems, *devices);
}

TEST(agent_patterns, every_case_holds_for_the_compiled_patterns_of_that_version) {
  if (!exists(uap_core)) GTEST_SKIP() << "package uap-core is not installed";
  std::ifstream table{std::filesystem::path{SOURCE_ROOT} / "domain/agent_tables.inc"};
  std::string made;
  std::getline(table, made);
  const auto bytes = std::to_string(file_size(uap_core / "regexes.yaml")) + " bytes";
  if (made.find(bytes) == std::string::npos)
    GTEST_SKIP() << "the patterns were made from another version: " << made;
  check_all_cases(browser_patterns(), system_patterns(), device_patterns());
}

TEST(agent_patterns, parts_are_groups_or_what_replaces_them) {
  const agent_rule rules[] = {{"^(App)/(\\d+)\\.(\\d+)", false, {{}}},
                              {"other/(\\d+)", false, {{"The Other $1 ", "7"}}},
                              {"(\\w+) LOUD", true, {{"$1$9", "", "x$"}}},
                              {"far.{0,40}(off)", false, {{}}}};
  const auto list = agent_patterns::make(rules, agent_list::products);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->find("App/12.3"), (agent_parts{"App", "12", "3"}));
  EXPECT_EQ(list->find("an other/4 App/1.2"), (agent_parts{"The Other 4", "7"}));
  EXPECT_EQ(list->find("very loud other/4"), (agent_parts{"The Other 4", "7"})) << "the first";
  EXPECT_EQ(list->find("very loud"), (agent_parts{"very", "", "x$"}));
  EXPECT_EQ(list->find(""), agent_parts{});
  EXPECT_EQ(list->find("App/12"), agent_parts{});
  EXPECT_EQ(list->find("far" + std::string(40, ' ') + "off")[0], "off");
  EXPECT_FALSE(list->fits("far" + std::string(41, ' ') + "off")) << "bounds hold";
  const auto devices = agent_patterns::make(rules, agent_list::devices);
  EXPECT_EQ(devices->find("App/12.3"), (agent_parts{"App", "", "App"}));
  const agent_rule bad[] = {{"(open", false, {}}};
  const auto refused = agent_patterns::make(bad, agent_list::products);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("(open"), std::string::npos);
}

struct agent_case {
  std::string_view agent, browser, os, device;
};
const agent_case agents[] = {
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
     "Firefox 128.0", "Windows 10", "desktop"},
    {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36",
     "Chrome 126.0", "Mac OS X 10.15", "desktop"},
    {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/17.5 Safari/605.1.15",
     "Safari 17.5", "Mac OS X 10.15", "desktop"},
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
     "Edge 126.0", "Windows 10", "desktop"},
    {"Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; Tablet PC 1.7)", "IE 6.0", "Windows XP",
     "desktop"},
    {"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
     "Firefox 127.0", "Ubuntu", "desktop"},
    {"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36",
     "Chrome 126.0", "Chrome OS 14541.0", "desktop"},
    {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
     "Mobile Safari 17.5", "iOS 17.5", "mobile"},
    {"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/16.6 Mobile/15E148 Safari/604.1",
     "Mobile Safari 16.6", "iOS 16.6", "tablet"},
    {"Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) "
     "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
     "Samsung Internet 25.0", "Android 14", "mobile"},
    {"Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36",
     "Chrome 126.0", "Android 13", "tablet"},
    {"Mozilla/5.0 (Linux; Android 8.1; CUBOT_POWER) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/68.0.3440.91 Mobile Safari/537.36",
     "Chrome Mobile 68.0", "Android 8.1", "mobile"},
    {"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Version/6.0 TV Safari/537.36",
     "Safari 6.0", "Tizen 6.0", "tv"},
    {"Mozilla/5.0 (PlayStation 4 3.11) AppleWebKit/537.73 (KHTML, like Gecko)", "", "", "console"},
    {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot 2.1",
     "", "bot"},
    {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "HeadlessChrome/126.0.0.0 Safari/537.36",
     "HeadlessChrome 126.0", "Linux", "bot"},
    {"curl/8.5.0", "curl 8.5", "", "bot"},
    {"", "", "", ""},
    {"-", "", "", ""}};

TEST(read_agent, names_browser_system_and_class_of_device) {
  for (const auto& [agent, browser, os, device] : agents) {
    const auto facts = read_agent(agent);
    EXPECT_EQ(facts.browser, browser) << agent;
    EXPECT_EQ(facts.os, os) << agent;
    EXPECT_EQ(facts.device, device) << agent;
  }
}

TEST(read_agent, takes_any_bytes) {
  std::string all;
  for (int i = 1; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(read_agent(all).device, "");
  EXPECT_LE(read_agent(std::string(300, 'x') + "/1.0 CFNetwork/1").browser.size(), 201u);
}

TEST(split_version, cuts_what_is_a_version_and_no_part_of_the_name) {
  struct split_case {
    std::string_view text, name, version;
  };
  const split_case cases[] = {{"Firefox 128.0", "Firefox", "128.0"},
                              {"Mobile Safari 17.5", "Mobile Safari", "17.5"},
                              {"Mobile Safari", "Mobile Safari", ""},
                              {"Mac OS X", "Mac OS X", ""},
                              {"Mac OS X 10.15", "Mac OS X", "10.15"},
                              {"Windows XP", "Windows", "XP"},
                              {"Windows 2000", "Windows", "2000"},
                              {"Windows NT", "Windows", "NT"},
                              {"Windows NT 4.0", "Windows", "NT 4.0"},
                              {"Windows RT 8", "Windows", "RT 8"},
                              {"firefox", "firefox", ""},
                              {" 12", " 12", ""},
                              {"", "", ""}};
  for (const auto& [text, name, version] : cases) {
    EXPECT_EQ(split_version(text).name, name) << text;
    EXPECT_EQ(split_version(text).version, version) << text;
  }
}

TEST(split_version, stands_behind_the_fields_of_filters) {
  event e;
  e.browser = "Mobile Safari 17.5";
  e.os = "Windows XP";
  EXPECT_EQ(event_field(e, "visit:browser"), "Mobile Safari");
  EXPECT_EQ(event_field(e, "visit:browser_version"), "17.5");
  EXPECT_EQ(event_field(e, "visit:os"), "Windows");
  EXPECT_EQ(event_field(e, "visit:os_version"), "XP");
}

TEST(bot_agents, the_list_knows_programs_and_no_phones) {
  const std::pair<std::string_view, bool> cases[] = {
      {"Googlebot/2.1", true},
      {"SomeBot", true},
      {"Mozilla/5.0 (compatible; bingbot/2.0)", true},
      {"python-requests/2.31", true},
      {"Java/17.0.1", true},
      {"Wget/1.21", true},
      {"GPTBot/1.2", true},
      {"Mozilla/5.0 (Linux; Android 9; CUBOT X19) Chrome/100.0 Mobile Safari/537.36", false},
      {"okhttp/4.9", false},
      {"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", false},
      {"", false}};
  for (const auto& [agent, bot] : cases) EXPECT_EQ(is_bot_agent(agent), bot) << agent;
  for (const auto pattern : bot_patterns())
    EXPECT_TRUE(!pattern.empty() && text_pattern::make(pattern).ok()) << pattern;
}

TEST(agent_cache, reads_an_agent_once_as_long_as_it_is_seen) {
  int reads = 0;
  agent_cache cache{[&reads](std::string_view agent) {
    ++reads;
    return agent_facts{std::string{agent}, "", "desktop"};
  }};
  for (int round = 0; round < 3; ++round) EXPECT_EQ(cache.of("a").browser, "a");
  EXPECT_EQ(reads, 1);
  for (std::size_t i = 0; i < 3 * agent_cache::half_max; ++i) {
    EXPECT_EQ(cache.of(std::to_string(i)).browser, std::to_string(i));
    EXPECT_EQ(cache.of("a").browser, "a");
  }
  EXPECT_EQ(reads, 1 + static_cast<int>(3 * agent_cache::half_max)) << "'a' was read again";
  static_cast<void>(cache.of("0"));
  EXPECT_EQ(reads, 2 + static_cast<int>(3 * agent_cache::half_max)) << "0 was forgotten";
}

}  // namespace
}  // namespace tally
