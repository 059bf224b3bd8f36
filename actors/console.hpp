#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "actors/messages.hpp"

namespace tally::actors {

/// Runs a command somewhere else and calls back from any thread.
using command_runner = std::function<void(std::vector<std::string>, callback<std::string>)>;

/// Answers commands from other processes. `token` is what a client must show: any local user can
/// reach a loopback port, but only the node's own can read the token's file.
console_actor::behavior_type console(console_actor::pointer self, std::string token,
                                     command_runner run);

}  // namespace tally::actors
