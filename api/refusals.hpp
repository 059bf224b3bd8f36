#pragma once

#include <string_view>
#include <vector>

#include "actors/submission.hpp"
#include "api/ingest_types.hpp"

namespace tally::api {

/// Adds what was refused of known merchants to what will be journaled: counts by code, and the
/// first few texts. Those with an id stand alone, since each is counted only if it is new.
/// `merchant` is that of refusals that name none; empty: they are left out.
void add_refusals(actors::submission& to, const std::vector<rejected_event>& rejected,
                  std::string_view merchant, event_time received_at);

}  // namespace tally::api
