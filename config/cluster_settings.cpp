#include "config/cluster_settings.hpp"

#include <unistd.h>

#include <array>
#include <fstream>

#include "cluster/membership.hpp"
#include "cluster/shard_entry.hpp"
#include "config/setting_values.hpp"

namespace tally::config {
namespace {

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "node";
  return name.data();
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

bool is_everywhere(const std::string& host) {
  return host.empty() || host == "0.0.0.0" || host == "::" || host == "*";
}

/// All of some files or none.
status check_files(const settings& from, std::initializer_list<std::string_view> names) {
  std::string_view given, missing;
  for (const auto name : names) (from.text(name).empty() ? missing : given) = name;
  if (given.empty() || missing.empty()) return done{};
  return wrong_setting(from, missing, "must be set, as " + std::string{given} + " is");
}

status fill_etcd(cluster::etcd_options& to, const settings& from) {
  to.endpoints = from.list("cluster.etcd");
  if (to.endpoints.empty()) return wrong_setting(from, "cluster.etcd", "names no member");
  for (const auto& member : to.endpoints) {
    const auto place = parse_host_port(member);
    if (!place || place->port == 0) {
      return wrong_setting(from, "cluster.etcd", "is not HOST:PORT");
    }
  }
  to.user = from.text("cluster.etcd_user");
  const auto& file = from.text("cluster.etcd_password_file");
  if (to.user.empty() != file.empty()) {
    return wrong_setting(from, "cluster.etcd_password_file", "goes with cluster.etcd_user");
  }
  if (!file.empty()) {
    std::ifstream in{file};
    if (!std::getline(in, to.password) || to.password.empty()) {
      return wrong_setting(from, "cluster.etcd_password_file", "cannot be read or is empty");
    }
  }
  auto& tls = to.exchange.tls;
  tls.ca_file = from.text("cluster.etcd_ca_file");
  tls.certificate_file = from.text("cluster.etcd_certificate_file");
  tls.key_file = from.text("cluster.etcd_key_file");
  if (auto good = check_files(from, {"cluster.etcd_certificate_file", "cluster.etcd_key_file"});
      !good) {
    return good;
  }
  if (!tls.key_file.empty() && tls.ca_file.empty()) {
    return wrong_setting(from, "cluster.etcd_ca_file", "must be set where a certificate is");
  }
  return cluster::validate(to);
}

status fill_peers(cluster_settings& to, const settings& from) {
  const auto listen = parse_host_port(from.text("cluster.listen"));
  if (!listen) return wrong_setting(from, "cluster.listen", "is not HOST:PORT");
  to.peers.host = is_everywhere(listen->host) ? "" : listen->host;
  to.peers.port = listen->port;
  to.advertise = from.text("cluster.advertise");
  if (to.advertise.empty()) {
    if (to.peers.host.empty()) {
      return wrong_setting(from, "cluster.advertise",
                           "must be set where cluster.listen is no one "
                           "address");
    }
    to.advertise = from.text("cluster.listen");
  }
  const auto seen = parse_host_port(to.advertise);
  if (!seen || is_everywhere(seen->host)) {
    return wrong_setting(from, "cluster.advertise", "is not HOST:PORT of one machine");
  }
  auto& tls = to.peers.tls;
  tls.ca_file = from.text("cluster.ca_file");
  tls.certificate_file = from.text("cluster.certificate_file");
  tls.key_file = from.text("cluster.key_file");
  const auto files = {std::string_view{"cluster.ca_file"}, std::string_view{"cluster.key_file"},
                      std::string_view{"cluster.certificate_file"}};
  if (auto good = check_files(from, files); !good) return good;
  to.peers.insecure = from.text("cluster.insecure") == "true";
  if (tls.ca_file.empty() && !to.peers.insecure && !is_loopback(to.peers.host)) {
    return wrong_setting(from, "cluster.listen",
                         "is not on loopback: set cluster.ca_file, cluster.certificate_file and "
                         "cluster.key_file, or cluster.insecure = true");
  }
  return done{};
}

status fill_placement(placement_options& to, const settings& from) {
  to.copies = from.number("cluster.copies");
  to.min_in_sync = from.number("cluster.min_in_sync");
  to.replace_after = from.duration("cluster.replace_after");
  to.moves_per_node_max = from.number("cluster.moves_per_node_max");
  to.handovers_max = from.number("cluster.handovers_max");
  if (to.min_in_sync > to.copies) {
    return wrong_setting(from, "cluster.min_in_sync", "is more than cluster.copies");
  }
  return done{};
}

status fill_limits(cluster_settings& to, const settings& from) {
  auto& r = to.replication;
  r.core.min_in_sync = static_cast<std::uint32_t>(to.placement.min_in_sync);
  r.core.suspect_after = from.duration("cluster.suspect_after");
  r.core.parked_bytes_max = from.number("cluster.parked_bytes_max");
  r.core.uncommitted_bytes_max = from.number("cluster.uncommitted_bytes_max");
  r.moves_max = static_cast<std::uint32_t>(to.placement.handovers_max);
  r.followed_bytes_max = from.number("cluster.followed_bytes_max");
  r.forward_timeout = from.duration("cluster.forward_timeout");
  r.forward_bytes_max = from.number("cluster.forward_bytes_max");
  r.retry_pause = from.duration("cluster.retry_pause");
  r.lagging_log_bytes_max = from.number("cluster.lagging_log_bytes_max");
  r.copies_sent_max = static_cast<std::uint32_t>(from.number("cluster.copies_sent_max"));
  to.relay.patience = r.forward_timeout;
  to.relay.waiting_max = from.number("cluster.relayed_requests_max");
  to.join_timeout = from.duration("cluster.join_timeout");
  auto& p = to.peers;
  p.silence_max = from.duration("cluster.silence_max");
  p.data_window_bytes_max = from.number("cluster.data_window_bytes_max");
  p.call_queue_bytes_max = from.number("cluster.call_queue_bytes_max");
  p.calls_max = from.number("cluster.calls_max");
  if (!is_valid(r.core))
    return wrong_setting(from, "cluster.suspect_after", "is shorter than followers may be silent");
  if (auto good = cluster::validate(p); !good) return good;
  return done{};
}

}  // namespace

failure wrong_setting(const settings& from, std::string_view name, const std::string& what) {
  const auto& value = from.get(name);
  const auto where = value.where.empty() ? "" : value.where + ": ";
  return {errc::bad_option, where + std::string{name} + ": '" + value.text + "' " + what};
}

result<host_port> parse_host_port(const std::string& text) {
  const failure bad{errc::bad_option, "'" + text + "' is not HOST:PORT"};
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad;
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string::npos) return bad;
  const auto port = parse_count(std::string_view{text}.substr(colon + 1));
  if (!port || *port > 65'535) return bad;
  return host_port{host, static_cast<std::uint16_t>(*port)};
}

result<cluster_settings> make_cluster_settings(const settings& from) {
  cluster_settings to;
  to.name = from.text("cluster.name");
  if (!to.is_used()) return to;
  if (!cluster::validate_cluster_name(to.name)) {
    return wrong_setting(from, "cluster.name", "is not 1 to 64 letters, digits, '-', '_' and '.'");
  }
  to.node_name = from.text("cluster.node_name");
  if (to.node_name.empty()) to.node_name = machine_name();
  if (!cluster::is_plain_name(to.node_name)) {
    return wrong_setting(from, "cluster.node_name",
                         "is not 1 to 128 letters, digits, '-', '_' and '.'");
  }
  to.zone = from.text("cluster.zone");
  if (auto good = fill_etcd(to.etcd, from); !good) return good.error();
  if (auto good = fill_peers(to, from); !good) return good.error();
  if (auto good = fill_placement(to.placement, from); !good) return good.error();
  if (auto good = fill_limits(to, from); !good) return good.error();
  return to;
}

}  // namespace tally::config
