#pragma once

#include <string>
#include <vector>

#include "actors/engine.hpp"

namespace tally::api {

/// Sends a merchant's kept rejected events again, as `tally rejects retry ID` asks: after a limit
/// was raised or a parser mended. Gives {"merchant", "accepted", "duplicate", "rejected"}. Safe to
/// repeat: an event without an id gets one from its place in the journal.
void retry_rejects(actors::engine& engine, const std::string& merchant,
                   actors::callback<std::string> then);

}  // namespace tally::api
