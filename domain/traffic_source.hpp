#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/event_field.hpp"

namespace tally {

/// What a known site is.
enum class site_kind : std::uint8_t { search, social, video, mail, shopping, ai, other };

struct known_site {
  std::string_view name;  // "Google"
  site_kind kind = site_kind::other;
};

/// A well-known site by its host ("news.google.com", "www.amazon.de") or, as senders of campaigns
/// write it, by its name ("google", "fb"). In lower case.
[[nodiscard]] std::optional<known_site> find_site(std::string_view host_or_name);

/// Where a visitor came from, each part empty where nothing tells it.
using traffic_texts = std::array<std::string, traffic_parts>;

/// From the URL of an event (its utm_ parameters and click ids) and its referrer. The event's own
/// host as referrer is none. Rules: docs/reference/query.md.
[[nodiscard]] traffic_texts traffic_of(std::string_view url, std::string_view referrer);

/// Whether a URL has anything to say about traffic.
[[nodiscard]] bool has_traffic_parameters(std::string_view url);

}  // namespace tally
