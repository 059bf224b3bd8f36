#pragma once

#include <string>
#include <string_view>

#include "domain/agent_patterns.hpp"

namespace tally {

/// What a user agent text says of who sent it. Empty where it does not say.
struct agent_facts {
  std::string browser;      // family and version: "Firefox 128.0", "Mobile Safari 16.5", "Chrome"
  std::string os;           // "Windows 10", "Mac OS X 10.15", "Android 13", "Ubuntu"
  std::string_view device;  // desktop, mobile, tablet, tv, console, watch, bot; static
};

/// By uap-core's patterns, which are compiled in, and our own rules for the class of device. Takes
/// tens of microseconds: keep what was found (domain/agent_cache.hpp). May be called from any
/// thread.
[[nodiscard]] agent_facts read_agent(std::string_view agent);

/// A browser or system as an event has it. The version is what stands behind the last space if it
/// begins with a digit or is one of those names that Windows has for numbers (XP, Vista, ME, NT,
/// CE, RT).
struct versioned_name {
  std::string_view name, version;
};
[[nodiscard]] versioned_name split_version(std::string_view text);

/// The patterns that are compiled in, and the version of uap-core that they are made from.
[[nodiscard]] const agent_patterns& browser_patterns();
[[nodiscard]] const agent_patterns& system_patterns();
[[nodiscard]] const agent_patterns& device_patterns();
[[nodiscard]] std::string_view agent_data_version();

}  // namespace tally
