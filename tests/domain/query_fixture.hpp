#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "domain/client_time.hpp"
#include "domain/ensure.hpp"
#include "domain/query.hpp"
#include "domain/zone.hpp"

namespace tally {

/// The instant of an RFC 3339 text.
inline event_time instant(std::string_view text) {
  const auto parsed = parse_client_time(text);
  ensure(parsed.has_value(), "a test's time must be RFC 3339");
  return parsed->at;
}

inline bucket_time second_of(std::string_view text) {
  return std::chrono::floor<std::chrono::seconds>(instant(text));
}

/// A merchant with events from January 2023 to Wednesday, 15 May 2024, 12:34:56 in London.
inline merchant_facts london_shop() {
  merchant_facts facts;
  facts.reporting_zone = zone::find("Europe/London");
  facts.currency = "GBP";
  facts.names = {"page_view", "purchase"};
  facts.currencies = {"GBP"};
  facts.any = true;
  facts.oldest = instant("2023-01-10T09:00:00Z");
  facts.newest = instant("2024-05-15T11:34:56Z");
  return facts;
}

inline event_time london_now() {
  return instant("2024-05-15T11:35:10Z");
}

inline question ask(std::vector<std::string> metrics, std::vector<std::string> dimensions,
                    std::string range) {
  question q;
  q.merchant = "m1";
  q.metrics = std::move(metrics);
  q.dimensions = std::move(dimensions);
  q.date_range = std::move(range);
  return q;
}

inline question ask_between(std::vector<std::string> metrics, std::vector<std::string> dimensions,
                            std::string from, std::string to) {
  auto q = ask(std::move(metrics), std::move(dimensions), "custom");
  q.from = std::move(from);
  q.to = std::move(to);
  return q;
}

/// "from to" of a plan, as its answer states them.
inline std::string range_text(const result<plan>& p) {
  if (!p) return p.error().text();
  const auto a = evaluate(*p, {});
  return a.from + " " + a.to;
}

}  // namespace tally
