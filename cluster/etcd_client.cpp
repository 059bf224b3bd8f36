#include "cluster/etcd_client.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "cluster/etcd_json.hpp"

namespace tally::cluster {

status validate(const etcd_options& o) {
  const auto bad = [](const char* field, const char* what) {
    return failure{errc::bad_option, std::string{"etcd."} + field + ": " + what};
  };
  if (o.endpoints.empty()) return bad("endpoints", "at least one is needed");
  for (const auto& endpoint : o.endpoints) {
    if (endpoint.find(':') == std::string::npos) return bad("endpoints", "host:port is needed");
  }
  if (o.user.empty() != o.password.empty()) return bad("user", "needs a password, and vice versa");
  const auto& tls = o.exchange.tls;
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return bad("tls_key_file", "needs a certificate, and vice versa");
  }
  if (!tls.certificate_file.empty() && tls.ca_file.empty()) {
    return bad("tls_ca_file", "is needed where a certificate is given");
  }
  if (o.exchange.timeout.count() <= 0) return bad("timeout", "must be positive");
  if (o.exchange.answer_bytes_max == 0) return bad("answer_bytes_max", "must be positive");
  if (o.operations_max < 2) return bad("operations_max", "must be 2 at least");
  if (o.value_bytes_max == 0) return bad("value_bytes_max", "must be positive");
  if (o.lease_ttl.count() <= 0) return bad("lease_ttl", "must be positive");
  if (o.watchdog_interval.count() <= 0) return bad("watchdog_interval", "must be positive");
  if (o.retry_pause.count() <= 0) return bad("retry_pause", "must be positive");
  return done{};
}

struct etcd_client::impl {
  etcd_options options;
  std::vector<std::unique_ptr<http_exchange>> endpoints;
  std::size_t current = 0;
  std::string token;
  bool may_have_arrived = false;  // anything of the last call, a log-in aside

  void use_next() { current = (current + 1) % endpoints.size(); }

  /// `reads` may be repeated: it changes nothing, or the same when sent twice.
  result<std::string> send(const char* target, std::string body, bool reads, bool with_token) {
    exchange_request request{target, std::move(body), {}};
    if (with_token && !token.empty()) request.headers.emplace_back("Authorization", token);
    failure last{errc::unavailable, "no endpoint"};
    may_have_arrived = false;
    for (std::size_t attempt = 0; attempt < endpoints.size(); ++attempt) {
      auto& endpoint = *endpoints[current];
      auto reply = endpoint.post(request);
      may_have_arrived = may_have_arrived || endpoint.may_have_arrived();
      if (reply && reply->status == 200) return std::move(reply->body);
      last = reply ? parse_failure(reply->status, reply->body) : reply.error();
      if (last.code != errc::unavailable) return last;
      use_next();
      if (!reads && endpoint.may_have_arrived()) return last;
    }
    return last;
  }

  status log_in() {
    const nlohmann::json request{{"name", options.user}, {"password", options.password}};
    const auto answer = send("/v3/auth/authenticate", request.dump(), true, false);
    may_have_arrived = false;
    if (!answer) return answer.error();
    auto fresh = parse_token(*answer);
    if (!fresh) return fresh.error();
    token = std::move(*fresh);
    return done{};
  }

  result<std::string> call(const char* target, const std::string& body, bool reads) {
    const bool needs_token = !options.user.empty();
    if (needs_token && token.empty()) {
      if (auto in = log_in(); !in) return in.error();
    }
    auto answer = send(target, body, reads, true);
    if (answer || !needs_token || answer.error().code != errc::unauthorized) return answer;
    if (auto in = log_in(); !in) return in.error();  // the token has come to its end
    return send(target, body, reads, true);
  }
};

etcd_client::etcd_client(etcd_options options, std::size_t first)
    : impl_{std::make_unique<impl>()} {
  ensure(validate(options).ok(), "etcd_client with unchecked options");
  for (const auto& host_port : options.endpoints) {
    impl_->endpoints.push_back(std::make_unique<http_exchange>(host_port, options.exchange));
  }
  impl_->current = first % impl_->endpoints.size();
  impl_->options = std::move(options);
}

etcd_client::~etcd_client() = default;

result<etcd_range> etcd_client::get(std::string_view key) {
  auto answer = impl_->call("/v3/kv/range", range_request(key, false), true);
  if (!answer) return answer.error();
  return parse_range(*answer);
}

result<etcd_range> etcd_client::get_prefix(std::string_view prefix) {
  auto answer = impl_->call("/v3/kv/range", range_request(prefix, true), true);
  if (!answer) return answer.error();
  return parse_range(*answer);
}

result<etcd_transaction_reply> etcd_client::run(const etcd_transaction& transaction) {
  const auto operations =
      transaction.compares.size() + transaction.puts.size() + transaction.deletes.size();
  if (operations > impl_->options.operations_max) {
    return failure{errc::over_limit, "a transaction of " + std::to_string(operations) +
                                         " operations, at most " +
                                         std::to_string(impl_->options.operations_max)};
  }
  for (const auto& put : transaction.puts) {
    if (put.value.size() > impl_->options.value_bytes_max) {
      return failure{errc::over_limit,
                     put.key + " has a value of " + std::to_string(put.value.size()) + " bytes"};
    }
  }
  const auto answer = impl_->call("/v3/kv/txn", transaction_request(transaction), false);
  if (!answer) return answer.error();
  auto reply = parse_transaction(*answer);
  // It was carried out, and nobody knows how it went.
  if (!reply) return failure{errc::unavailable, reply.error().detail};
  return reply;
}

etcd_swap_reply etcd_client::swap(const etcd_transaction::put& put,
                                  std::uint64_t expected_version) {
  const auto reply = run({{{put.key, expected_version}}, {put}, {}});
  if (reply && reply->succeeded) return {swap_outcome::done, reply->revision};
  const bool is_unknown =
      !reply && reply.error().code == errc::unavailable && impl_->may_have_arrived;
  return {is_unknown ? swap_outcome::unknown : swap_outcome::refused, 0};
}

result<std::uint64_t> etcd_client::swap_surely(const etcd_transaction::put& put,
                                               std::uint64_t expected_version, unsigned attempts) {
  bool is_doubtful = false;
  failure last{errc::unavailable, put.key};
  for (; attempts > 0; --attempts) {
    const auto reply = run({{{put.key, expected_version}}, {put}, {}});
    if (reply && reply->succeeded) return reply->revision;
    if (!reply && reply.error().code != errc::unavailable) return reply.error();
    if (reply && !is_doubtful) return failure{errc::conflict, put.key + " was changed meanwhile"};
    is_doubtful = true;
    if (!reply) last = reply.error();
    const auto found = get(put.key);
    if (!found) continue;
    const bool is_there = !found->entries.empty();
    if (is_there && found->entries[0].value == put.value) return found->entries[0].mod_revision;
    const auto version = is_there ? found->entries[0].mod_revision : 0;
    if (version != expected_version) {
      return failure{errc::conflict, put.key + " was changed meanwhile"};
    }
    // Not yet: of this one and the next at most one succeeds.
  }
  return last;
}

result<etcd_grant> etcd_client::grant(std::chrono::seconds ttl) {
  const nlohmann::json request{{"TTL", std::to_string(ttl.count())}};
  // One that is granted twice and not kept alive ends by itself.
  const auto answer = impl_->call("/v3/lease/grant", request.dump(), true);
  if (!answer) return answer.error();
  return parse_grant(*answer);
}

result<std::chrono::seconds> etcd_client::keep_alive(std::uint64_t lease) {
  const nlohmann::json request{{"ID", std::to_string(lease)}};
  const auto answer = impl_->call("/v3/lease/keepalive", request.dump(), true);
  if (!answer) return answer.error();
  return parse_keep_alive(*answer);
}

status etcd_client::revoke(std::uint64_t lease) {
  const nlohmann::json request{{"ID", std::to_string(lease)}};
  const auto answer = impl_->call("/v3/lease/revoke", request.dump(), true);
  if (!answer && answer.error().code != errc::not_found) return answer.error();
  return done{};
}

result<std::string> etcd_client::token() {
  if (!impl_->options.user.empty()) {
    if (auto in = impl_->log_in(); !in) return in.error();
  }
  return impl_->token;
}

const std::string& etcd_client::endpoint() const {
  return impl_->options.endpoints[impl_->current];
}

void etcd_client::use_next_endpoint() {
  impl_->use_next();
}

}  // namespace tally::cluster
