#pragma once

#include <cstdint>
#include <string>

#include "domain/result.hpp"

namespace tally::config {

/// Where clients of this user look for the token of the console on `port`:
/// ${XDG_STATE_HOME:-~/.local/state}/tally/console-<port>.token
[[nodiscard]] std::string token_path(std::uint16_t port);

/// Writes the token, readable by this user alone, to <data_dir>/console.token and to token_path().
/// io_error names the file that could not be written.
status write_token(const std::string& data_dir, std::uint16_t port, const std::string& token);

/// Removes both, as far as they hold this token; a newer node's are left alone.
void remove_token(const std::string& data_dir, std::uint16_t port, const std::string& token);

/// The token in `path`, without line end. not_found, or unauthorized where other users may read
/// the file.
result<std::string> read_token(const std::string& path);

}  // namespace tally::config
