#pragma once

#include <string>
#include <string_view>

#include "api/http_message.hpp"
#include "api/ingest_types.hpp"
#include "domain/event.hpp"

namespace tally::api {

/// Fills the browser, system and class of device that an event lacks from its user agent. The texts
/// stay until this thread calls it again. May be called from any thread.
void add_agent_facts(event& e);

/// Fills the country that an event lacks: of the request's address where the event came from
/// there, else of the visitor's time zone.
void add_country(event& e, std::string_view timezone, const ingest_context& context);

/// Writes the language as tags are written: "en-GB" for "en_gb" or "en-GB,en;q=0.9". The text stays
/// until this thread calls it again.
void tidy_language(event& e);

/// Takes away who it was: visitor, user, session, agent and network. What an identify event would
/// link is nothing then, so it becomes an ordinary event without properties.
void forget_visitor(event& e);

/// Whether a request says that its sender does not want to be followed: Sec-GPC or DNT.
[[nodiscard]] bool opts_out(const http_request& request);

/// All that is kept of an address.
struct address_facts {
  std::string network;  // "203.0.113.0/24", with " hosting", " proxy" or " drop" behind it where
                        // the database says so; empty where the text is no address
  std::string_view country;  // static, or empty
};
[[nodiscard]] address_facts facts_of(std::string_view address, geo_database* geo);

}  // namespace tally::api
