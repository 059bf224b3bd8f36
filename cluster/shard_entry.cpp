#include "cluster/shard_entry.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "domain/shard.hpp"

namespace tally::cluster {
namespace {

using nlohmann::json;

constexpr unsigned format = 1;
constexpr std::size_t shard_digits = 4;
constexpr std::size_t name_size_max = 64;
constexpr std::size_t copies_max = 64;  // that are read; the core has its own limit

failure corrupt(std::string what) {
  return {errc::corrupt_record, std::move(what)};
}

std::string with_digits(std::string prefix, std::uint16_t shard) {
  const auto number = std::to_string(shard);
  return prefix.append(shard_digits - number.size(), '0') + number;
}

std::optional<replica_id> id_of(const json& value) {
  if (!value.is_string()) return std::nullopt;
  return parse_replica_id(value.get_ref<const std::string&>());
}

/// Nothing where it is no whole number of that size.
template <class Number>
std::optional<Number> number_of(const json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<std::uint64_t>();
  if (value > std::numeric_limits<Number>::max()) return std::nullopt;
  return static_cast<Number>(value);
}

bool is_list(const json& object, const char* field) {
  return object.contains(field) && object[field].is_array() && object[field].size() <= copies_max;
}

status read_lists(const json& object, shard_config& config) {
  if (!is_list(object, "in_sync") || !is_list(object, "copies")) {
    return corrupt("in_sync and copies: two lists are needed");
  }
  for (const auto& value : object["in_sync"]) {
    const auto id = id_of(value);
    if (!id) return corrupt("in_sync: 32 hex digits are needed");
    config.in_sync.push_back(*id);
  }
  for (const auto& value : object["copies"]) {
    if (!value.is_object()) return corrupt("copies: objects are needed");
    const auto id = id_of(value.value("id", json{}));
    const auto node = number_of<std::uint32_t>(value, "node");
    if (!id || !node) return corrupt("copies: id and node are needed");
    config.copies.push_back({*id, {*node}});
  }
  return done{};
}

}  // namespace

std::string root_of(std::string_view cluster) {
  return "/tally/" + std::string{cluster} + "/";
}
std::string shards_prefix(std::string_view cluster) {
  return root_of(cluster) + "shards/";
}
std::string shard_key(std::string_view cluster, std::uint16_t shard) {
  return with_digits(shards_prefix(cluster), shard);
}
std::string placement_prefix(std::string_view cluster) {
  return root_of(cluster) + "placement/";
}
std::string placement_key(std::string_view cluster, std::uint16_t shard) {
  return with_digits(placement_prefix(cluster), shard);
}

std::optional<std::uint16_t> shard_of_key(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  if (key.size() != shard_digits) return std::nullopt;
  std::uint16_t shard = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), shard);
  if (error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
  if (shard >= shard_count) return std::nullopt;
  return shard;
}

status validate_cluster_name(std::string_view name) {
  const bool is_plain = std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!name.empty() && name.size() <= name_size_max && is_plain) return done{};
  return failure{errc::bad_option,
                 "cluster.name: 1 to 64 letters, digits, '-', '_' and '.' are needed"};
}

std::string write_shard_entry(const shard_config& config) {
  auto in_sync = json::array(), copies = json::array();
  for (const auto id : config.in_sync) in_sync.push_back(to_text(id));
  for (const auto& copy : config.copies) {
    copies.push_back({{"id", to_text(copy.id)}, {"node", copy.node.value}});
  }
  const json object{{"format", format},
                    {"cluster", to_hex(config.cluster)},
                    {"epoch", config.epoch},
                    {"leader", to_text(config.leader)},
                    {"incarnation", config.incarnation},
                    {"in_sync", std::move(in_sync)},
                    {"copies", std::move(copies)}};
  return object.dump();
}

result<shard_config> parse_shard_entry(std::string_view text, std::uint64_t version) {
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return corrupt("no JSON object");
  const auto found_format = number_of<std::uint32_t>(object, "format");
  if (!found_format) return corrupt("format: a number is needed");
  if (*found_format != format) {
    return failure{errc::unsupported, "format " + std::to_string(*found_format)};
  }
  shard_config config;
  config.version = version;
  const auto cluster = object.value("cluster", json{});
  const auto name = cluster.is_string() ? parse_hex(cluster.get_ref<const std::string&>())
                                        : std::optional<std::uint64_t>{};
  if (!name) return corrupt("cluster: 16 hex digits are needed");
  const auto epoch = number_of<std::uint32_t>(object, "epoch");
  const auto incarnation = number_of<std::uint64_t>(object, "incarnation");
  if (!epoch || !incarnation) return corrupt("epoch and incarnation: numbers are needed");
  const auto leader = id_of(object.value("leader", json{}));
  if (!leader) return corrupt("leader: 32 hex digits are needed");
  config.cluster = *name;
  config.epoch = *epoch;
  config.incarnation = *incarnation;
  config.leader = *leader;
  if (auto read = read_lists(object, config); !read) return read.error();
  return config;
}

std::string write_placement_entry(const std::vector<node_id>& nodes) {
  auto list = json::array();
  for (const auto node : nodes) list.push_back(node.value);
  return list.dump();
}

result<std::vector<node_id>> parse_placement_entry(std::string_view text) {
  const auto list = json::parse(text, nullptr, false);
  if (!list.is_array() || list.size() > copies_max) return corrupt("no list of node numbers");
  std::vector<node_id> nodes;
  for (const auto& value : list) {
    const bool fits = value.is_number_unsigned() &&
                      value.get<std::uint64_t>() <= std::numeric_limits<std::uint32_t>::max();
    if (!fits) return corrupt("no list of node numbers");
    nodes.push_back({value.get<std::uint32_t>()});
  }
  return nodes;
}

}  // namespace tally::cluster
