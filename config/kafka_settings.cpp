#include "config/kafka_settings.hpp"

#include <algorithm>
#include <fstream>
#include <optional>

#include "config/cluster_settings.hpp"
#include "domain/event.hpp"

namespace tally::config {
namespace {

constexpr std::size_t topics_max = 1'000;
constexpr std::size_t topic_bytes_max = 249;  // of Kafka itself

/// Names of topics as Kafka takes them.
bool is_topic(std::string_view name) {
  return !name.empty() && name.size() <= topic_bytes_max && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

result<std::vector<api::kafka_topic>> topics_of(const settings& from) {
  const auto wrong = [&](const std::string& what) {
    return wrong_setting(from, "kafka.topics", what);
  };
  std::vector<api::kafka_topic> all;
  for (const auto& text : from.list("kafka.topics")) {
    const auto at = text.find('=');
    if (at == std::string::npos) return wrong("'" + text + "' is not TOPIC=MERCHANT");
    api::kafka_topic one{text.substr(0, at), text.substr(at + 1)};
    if (!is_topic(one.topic)) return wrong("'" + one.topic + "' is no name of a topic");
    if (!is_merchant_id(one.merchant)) return wrong("'" + one.merchant + "' is no merchant id");
    if (std::ranges::find(all, one.topic, &api::kafka_topic::topic) != all.end())
      return wrong("names '" + one.topic + "' twice");
    all.push_back(std::move(one));
  }
  if (all.size() > topics_max) return wrong("names more than " + std::to_string(topics_max));
  return all;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const auto begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

result<std::vector<std::pair<std::string, std::string>>> properties_of(const settings& from) {
  std::vector<std::pair<std::string, std::string>> all;
  const auto& path = from.text("kafka.properties_file");
  if (path.empty()) return all;
  std::ifstream file{path};
  if (!file) return wrong_setting(from, "kafka.properties_file", "cannot be read");
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const auto text = trim(line);
    if (text.empty() || text.front() == '#') continue;
    const auto at = text.find('=');
    if (at == std::string_view::npos)
      return wrong_setting(from, "kafka.properties_file",
                           "line " + std::to_string(number) + " is not NAME=VALUE");
    all.emplace_back(trim(text.substr(0, at)), trim(text.substr(at + 1)));
  }
  return all;
}

}  // namespace

result<api::kafka_options> make_kafka_options(const settings& from) {
  api::kafka_options to;
  for (const auto& place : from.list("kafka.brokers")) {
    if (!parse_host_port(place))
      return wrong_setting(from, "kafka.brokers", "'" + place + "' is not HOST:PORT");
    to.brokers += (to.brokers.empty() ? "" : ",") + place;
  }
  auto topics = topics_of(from);
  if (!topics) return topics.error();
  to.topics = std::move(*topics);
  if (to.brokers.empty() != to.topics.empty())
    return wrong_setting(from, to.brokers.empty() ? "kafka.brokers" : "kafka.topics",
                         "is empty, and the other one of the two is not");
  auto properties = properties_of(from);
  if (!properties) return properties.error();
  to.client = std::move(*properties);
  to.from_end = from.text("kafka.begin") == "end";
  to.batch_messages_max = static_cast<std::uint32_t>(from.number("kafka.batch_messages_max"));
  to.batch_bytes_max = from.number("kafka.batch_bytes_max");
  to.queue_bytes_max = from.number("kafka.queue_bytes_max");
  to.position_interval = from.duration("kafka.position_interval");
  return to;
}

}  // namespace tally::config
