#include "api/visitor_facts.hpp"

#include "api/geo_database.hpp"
#include "api/ingest_event.hpp"
#include "api/json_text.hpp"
#include "domain/agent_cache.hpp"
#include "domain/language.hpp"
#include "domain/zone_country.hpp"

namespace tally::api {
namespace {

/// Patterns see bytes, and may cut a character in two.
agent_facts read_whole_characters(std::string_view agent) {
  auto facts = read_agent(agent);
  for (auto* const text : {&facts.browser, &facts.os})
    if (find_bad_utf8(*text) != text->size()) text->clear();
  return facts;
}

}  // namespace

void add_agent_facts(event& e) {
  const bool whole = !e.browser.empty() && !e.os.empty() && !e.device.empty();
  if (e.kind != event_kind::data || e.agent.empty() || whole) return;
  thread_local agent_cache cache{read_whole_characters};
  const auto& facts = cache.of(e.agent);
  if (e.browser.empty()) e.browser = facts.browser;
  if (e.os.empty()) e.os = facts.os;
  if (e.device.empty()) e.device = facts.device;
}

void add_country(event& e, std::string_view timezone, const ingest_context& context) {
  if (e.kind != event_kind::data || !e.country.empty()) return;
  // A platform's own request comes from its servers.
  if (!context.platform && e.network == context.address_network)
    e.country = context.address_country;
  if (e.country.empty()) e.country = country_of_zone(timezone);
}

void tidy_language(event& e) {
  if (e.language.empty()) return;
  thread_local std::string text;
  text = normal_language(e.language);
  if (text != e.language) e.language = text;
}

void forget_visitor(event& e) {
  e.visitor = e.user = e.session = e.agent = e.network = {};
  if (e.kind != event_kind::identify) return;
  e.kind = event_kind::data;
  e.props = e.extra = {};
}

bool opts_out(const http_request& request) {
  return request.header("Sec-GPC") == "1" || request.header("DNT") == "1";
}

address_facts facts_of(std::string_view address, geo_database* geo) {
  address_facts facts{network_of(address), {}};
  if (facts.network.empty() || geo == nullptr) return facts;
  const auto place = geo->find(address);
  facts.country = place.country;
  if (!place.kind.empty()) facts.network.append(1, ' ').append(place.kind);
  return facts;
}

}  // namespace tally::api
