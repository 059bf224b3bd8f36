#include "domain/user_agent.hpp"

#include <algorithm>
#include <array>

#include "domain/bot_agents.hpp"
#include "domain/text_pattern.hpp"

namespace tally {
namespace {

#include "domain/agent_tables.inc"

constexpr std::size_t name_bytes_max = 100;

agent_patterns compiled(std::span<const agent_rule> rules, agent_list kind) {
  auto made = agent_patterns::make(rules, kind);
  ensure(made.ok(), "the user agent patterns do not compile");
  return *made;
}

bool begins_with_digit(std::string_view text) {
  return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

/// Family, then major and minor version where they are known. Versions of more parts would make
/// every update of a browser another one.
std::string name_and_version(const agent_parts& parts) {
  if (parts[0].empty() || parts[0] == "Other" || parts[0].size() > name_bytes_max) return {};
  std::string out = parts[0];
  if (parts[1].empty() || parts[1].size() + parts[2].size() > name_bytes_max) return out;
  out += ' ';
  out += parts[1];
  if (!parts[2].empty() && begins_with_digit(parts[1])) out.append(1, '.').append(parts[2]);
  return out;
}

/// A text in which one of these words stands, case ignored.
class words {
 public:
  explicit words(std::string_view expression) : pattern_{make(expression)} {}
  [[nodiscard]] bool are_in(std::string_view text) const { return pattern_.found_in(text); }

 private:
  static text_pattern make(std::string_view expression) {
    auto made = text_pattern::make("(?i)" + std::string{expression});
    ensure(made.ok(), "words of user agents are no regular expression");
    return *made;
  }
  text_pattern pattern_;
};

bool is_one_of(std::string_view text, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_console(std::string_view agent) {
  static const words consoles{"playstation|xbox|nintendo"};
  return consoles.are_in(agent);
}

bool is_tv(std::string_view agent, std::string_view system) {
  static const words tvs{
      "smart-?_?tv|hbbtv|apple ?tv|google ?tv|android ?tv|netcast|bravia|viera|\\broku|crkey|"
      "\\baft[a-z]{1,4}\\d* build|web0s|dlnadoc|opera tv|philipstv|aquos|large screen|netbox"};
  constexpr std::array<std::string_view, 4> systems{"tvOS", "ATV OS X", "Chromecast", "Roku"};
  return is_one_of(system, systems) || tvs.are_in(agent);
}

/// Android says `Mobile` on phones only.
bool is_tablet(std::string_view agent, std::string_view system) {
  static const words tablets{
      "ipad|tablet|kindle|silk/|playbook|xoom|galaxy tab|\\bnexus (?:7|9|10)"};
  static const words phone{"mobile|\\bmobi\\b"};
  if (system == "Windows") return false;  // a Windows with a touch screen says Tablet PC
  return tablets.are_in(agent) || (system == "Android" && !phone.are_in(agent));
}

bool is_mobile(std::string_view agent, std::string_view system) {
  static const words phones{
      "mobile|\\bmobi\\b|iphone|ipod|windows phone|windows ce|blackberry|\\bbb10|symbian|series60|"
      "midp|kaios|opera mini|opera mobi|docomo|up\\.browser|nokia|palmos|webos/"};
  constexpr std::array<std::string_view, 8> systems{"Android",       "iOS",        "Windows Phone",
                                                    "BlackBerry OS", "Symbian OS", "KaiOS",
                                                    "Firefox OS",    "Bada"};
  return is_one_of(system, systems) || phones.are_in(agent);
}

std::string_view class_of(std::string_view agent, std::string_view system,
                          const std::string& device) {
  if (device == "Spider" || is_bot_agent(agent)) return "bot";
  if (is_console(agent)) return "console";
  if (is_tv(agent, system)) return "tv";
  if (system == "WatchOS" || device == "Apple Watch") return "watch";
  if (is_tablet(agent, system)) return "tablet";
  if (is_mobile(agent, system)) return "mobile";
  return system.empty() || system == "Other" ? std::string_view{} : "desktop";
}

}  // namespace

const agent_patterns& browser_patterns() {
  static const auto patterns = compiled(browser_rules, agent_list::products);
  return patterns;
}

const agent_patterns& system_patterns() {
  static const auto patterns = compiled(system_rules, agent_list::products);
  return patterns;
}

const agent_patterns& device_patterns() {
  static const auto patterns = compiled(device_rules, agent_list::devices);
  return patterns;
}

std::string_view agent_data_version() {
  return version_text;
}

agent_facts read_agent(std::string_view agent) {
  if (agent.empty()) return {};
  const auto system = system_patterns().find(agent);
  const auto device = device_patterns().find(agent);
  return {name_and_version(browser_patterns().find(agent)), name_and_version(system),
          class_of(agent, system[0], device[0])};
}

versioned_name split_version(std::string_view text) {
  constexpr std::array<std::string_view, 6> names{"XP", "Vista", "ME", "NT", "CE", "RT"};
  constexpr std::array<std::string_view, 2> two_words{"Windows NT", "Windows RT"};  // NT 4.0, RT 8
  const auto space = text.rfind(' ');
  if (space == std::string_view::npos || space == 0) return {text, {}};
  const auto before = text.substr(0, space);
  const auto last = text.substr(space + 1);
  if (!begins_with_digit(last) && !is_one_of(last, names)) return {text, {}};
  if (!is_one_of(before, two_words)) return {before, last};
  return {before.substr(0, before.rfind(' ')), text.substr(before.rfind(' ') + 1)};
}

}  // namespace tally
