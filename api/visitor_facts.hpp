#pragma once

#include <string_view>

#include "domain/event.hpp"

namespace tally::api {

/// Fills the browser, system and class of device that an event lacks from its user agent. The texts
/// stay until this thread calls it again. May be called from any thread.
void add_agent_facts(event& e);

/// Fills the country that an event lacks from the visitor's time zone.
void add_country(event& e, std::string_view timezone);

/// Writes the language as tags are written: "en-GB" for "en_gb" or "en-GB,en;q=0.9". The text stays
/// until this thread calls it again.
void tidy_language(event& e);

}  // namespace tally::api
