#include "api/http_proxies.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace tally::api {

namespace {

constexpr unsigned v4_prefix_bits = 96;

bool is_v4(const ip_bytes& a) {
  return std::all_of(a.begin(), a.begin() + 10, [](auto b) { return b == 0; }) && a[10] == 0xff &&
         a[11] == 0xff;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// An element of X-Forwarded-For: some proxies write the port, too.
std::optional<ip_bytes> parse_forwarded(std::string_view text) {
  if (text.starts_with('[')) return parse_ip(text.substr(0, text.find(']') + 1));
  if (std::count(text.begin(), text.end(), ':') == 1) text = text.substr(0, text.find(':'));
  return parse_ip(text);
}

}  // namespace

std::optional<ip_bytes> parse_ip(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  const std::string terminated{text};
  ip_bytes address{};
  if (inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1) return address;
  address = {};
  address[10] = address[11] = 0xff;
  if (inet_pton(AF_INET, terminated.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

std::string to_text(const ip_bytes& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = is_v4(address);
  inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? 12 : 0), text.data(), text.size());
  return text.data();
}

result<http_proxies> http_proxies::parse(const std::vector<std::string>& networks) {
  http_proxies proxies;
  for (const std::string& entry : networks) {
    if (entry == "unix") {
      proxies.trusts_unix_ = true;
      continue;
    }
    const auto slash = std::min(entry.find('/'), entry.size());
    const auto address = parse_ip(std::string_view{entry}.substr(0, slash));
    if (!address) return failure{errc::bad_option, "trusted proxy '" + entry + "': no network"};
    // The family is that of the text: "::ffff:10.0.0.0/104" counts its bits in IPv6.
    const bool v4 = entry.find(':') == std::string::npos;
    const unsigned bits_max = v4 ? 32 : 128;
    unsigned bits = bits_max;
    if (slash != entry.size()) {
      const char* end = entry.data() + entry.size();
      const auto [stop, error] = std::from_chars(entry.data() + slash + 1, end, bits);
      if (error != std::errc{} || stop != end || bits > bits_max)
        return failure{errc::bad_option, "trusted proxy '" + entry + "': bad prefix length"};
    }
    proxies.networks_.push_back({*address, v4 ? v4_prefix_bits + bits : bits});
  }
  return proxies;
}

bool http_proxies::trusts(const ip_bytes& address) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const network& n) {
    for (unsigned bit = 0; bit < n.bits; bit += 8) {
      const unsigned used = std::min(8u, n.bits - bit);
      const unsigned mask = 0xffu << (8 - used) & 0xffu;
      if (((address.at(bit / 8) ^ n.address.at(bit / 8)) & mask) != 0) return false;
    }
    return true;
  });
}

std::string http_proxies::client_of(const std::optional<ip_bytes>& peer, std::string_view peer_text,
                                    const http_headers& headers) const {
  std::string client{peer_text};
  if (peer ? !trusts(*peer) : !trusts_unix_) return client;
  std::string chain;
  headers.each([&](std::string_view name, std::string_view value) {
    if (same_token(name, "x-forwarded-for")) chain.append(chain.empty() ? "" : ",").append(value);
  });
  std::string_view rest = chain;
  while (!rest.empty()) {
    const auto comma = rest.rfind(',');
    const auto last = comma == std::string_view::npos ? rest : rest.substr(comma + 1);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
    const auto address = parse_forwarded(trimmed(last));
    if (!address) return client;  // whatever stands further left was not written by our proxies
    client = to_text(*address);
    if (!trusts(*address)) return client;
  }
  return client;
}

}  // namespace tally::api
