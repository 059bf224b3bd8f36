#pragma once

#include <span>
#include <string_view>

namespace tally {

/// Patterns of agents that are programs and no people: our own list, in RE2's syntax, case ignored.
/// uap-core's spiders stand beside it. `tally ruleset example bots` prints it.
[[nodiscard]] std::span<const std::string_view> bot_patterns();

/// Whether one of them is in the text. May be called from any thread.
[[nodiscard]] bool is_bot_agent(std::string_view agent);

}  // namespace tally
