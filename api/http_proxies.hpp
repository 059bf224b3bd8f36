#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http_message.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d.
using ip_bytes = std::array<std::uint8_t, 16>;

/// Reads "10.0.0.1", "::1" and "::ffff:10.0.0.1", the last two also in brackets.
[[nodiscard]] std::optional<ip_bytes> parse_ip(std::string_view text);
/// Shortest text; IPv4 without its IPv6 prefix.
[[nodiscard]] std::string to_text(const ip_bytes& address);

/// The networks whose X-Forwarded-For is believed. Immutable, so any thread may ask.
class http_proxies {
 public:
  /// bad_option names the entry that is no network.
  static result<http_proxies> parse(const std::vector<std::string>& networks);

  [[nodiscard]] bool trusts(const ip_bytes& address) const;
  [[nodiscard]] bool trusts_unix() const { return trusts_unix_; }
  /// Who sent a request that came from `peer` (nothing: a unix socket): the right-most address
  /// that is not a trusted proxy; the left-most one where all are.
  [[nodiscard]] std::string client_of(const std::optional<ip_bytes>& peer,
                                      std::string_view peer_text,
                                      const http_headers& headers) const;

 private:
  struct network {
    ip_bytes address{};
    unsigned bits = 128;
  };
  std::vector<network> networks_;
  bool trusts_unix_ = false;
};

}  // namespace tally::api
