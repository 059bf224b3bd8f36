#include "persistence/source_position.hpp"

#include <nlohmann/json.hpp>

#include "persistence/registry.hpp"

namespace tally::persistence {
namespace {

using nlohmann::json;

std::string prefix_of(std::string_view merchant) {
  return merchant_prefix(merchant) + 'q';
}

std::string key_of(std::string_view merchant, const source_position& p) {
  auto digits = std::to_string(p.partition);
  digits.insert(0, 10 - digits.size(), '0');
  return prefix_of(merchant) + p.source + '\0' + digits;
}

}  // namespace

record to_record(std::string_view merchant, const source_position& p) {
  const json value{{"source", p.source}, {"partition", p.partition}, {"next", p.next}};
  return {key_of(merchant, p), value.dump()};
}

record removal_of(std::string_view merchant, const source_position& p) {
  return {key_of(merchant, p), {}};
}

result<std::vector<source_position>> list_positions(const journal& log, std::string_view merchant) {
  const auto records = log.list_merchants(prefix_of(merchant), {}, positions_of_merchant_max);
  if (!records) return records.error();
  std::vector<source_position> all;
  for (const auto& r : *records) {
    const auto j = json::parse(r.value, nullptr, false);
    try {
      all.push_back({j.at("source").get<std::string>(), j.at("partition").get<std::uint32_t>(),
                     j.at("next").get<std::int64_t>()});
    } catch (const json::exception&) {
      return failure{errc::corrupt_record, "the position of a source of events"};
    }
  }
  return all;
}

}  // namespace tally::persistence
