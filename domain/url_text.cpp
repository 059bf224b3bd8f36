#include "domain/url_text.hpp"

#include <optional>

namespace tally {
namespace {

/// From the host on: "shop.example/checkout?a=b".
std::string_view after_scheme(std::string_view url) {
  const auto scheme = url.find("://");
  return scheme == std::string_view::npos ? url : url.substr(scheme + 3);
}

std::optional<unsigned> hex(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::string_view url_host(std::string_view url) {
  if (url.find("://") == std::string_view::npos) return {};
  auto host = after_scheme(url);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const auto at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

std::string_view url_page(std::string_view url) {
  if (url.empty()) return {};
  auto rest = after_scheme(url);
  if (rest.size() != url.size()) {
    const auto path = rest.find_first_of("/?#");
    rest = path == std::string_view::npos ? std::string_view{} : rest.substr(path);
  }
  rest = rest.substr(0, rest.find_first_of("?#"));
  return rest.empty() ? std::string_view{"/"} : rest;
}

std::string_view url_query(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const auto begin = url.find('?');
  return begin == std::string_view::npos ? std::string_view{} : url.substr(begin + 1);
}

std::string decode_parameter(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = text[i] == '%' && i + 2 < text.size() ? hex(text[i + 1]) : std::nullopt;
    const auto low = high ? hex(text[i + 2]) : std::nullopt;
    if (low) {
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace tally
