#pragma once

#include <string>
#include <string_view>

namespace tally {

/// The host of a URL with a scheme, without user and port; empty where there is none.
[[nodiscard]] std::string_view url_host(std::string_view url);
/// The path without query and fragment; "/" where the URL has a host only, empty for an empty one.
[[nodiscard]] std::string_view url_page(std::string_view url);
/// What stands between "?" and "#".
[[nodiscard]] std::string_view url_query(std::string_view url);
/// Calls f(name, value) for each parameter of a query, as they stand there.
template <class F>
void for_each_parameter(std::string_view query, F&& f) {
  while (!query.empty()) {
    const auto part = query.substr(0, query.find('&'));
    query.remove_prefix(part.size() == query.size() ? part.size() : part.size() + 1);
    const auto equals = part.find('=');
    if (equals != std::string_view::npos) f(part.substr(0, equals), part.substr(equals + 1));
  }
}
/// Without percent signs and pluses: "a%20b+c" is "a b c". What is no code stays as it is.
[[nodiscard]] std::string decode_parameter(std::string_view text);

}  // namespace tally
