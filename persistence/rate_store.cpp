#include "persistence/rate_store.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tally::persistence {
namespace {

using nlohmann::json;

constexpr std::string_view import_prefix = "rate_import/", part_prefix = "rate_part/",
                           last_key = "rate_last";
constexpr std::size_t part_bytes_max = 64 * 1'024;

std::string part_key(const std::string& id, std::uint32_t part) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "/%04u", part);
  return std::string{part_prefix} + id + digits;
}

std::string line_of(const daily_rate& r) {
  const std::chrono::year_month_day date{r.day};
  char text[16];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return std::string{text} + ' ' + r.currency + ' ' + to_text(r.value) + '\n';
}

failure damaged(const std::string& id) {
  return {errc::corrupt_record, "rates imported as " + id};
}

result<rate_import> parse_import(const record& r) {
  rate_import made;
  made.id = r.key.substr(import_prefix.size());
  const auto j = json::parse(r.value, nullptr, false);
  if (!j.is_object()) return damaged(made.id);
  try {
    made.base = j.at("base").get<std::string>();
    made.known_ms = j.at("known_ms").get<std::int64_t>();
    made.parts = j.at("parts").get<std::uint32_t>();
    made.rates = j.at("rates").get<std::uint64_t>();
  } catch (const json::exception&) {
    return damaged(made.id);
  }
  if (!is_currency(made.base)) return damaged(made.id);
  return made;
}

result<std::vector<daily_rate>> read_import(const journal& log, const rate_import& made) {
  std::string csv = "date,currency,rate\n";
  for (std::uint32_t part = 1; part <= made.parts; ++part) {
    auto text = log.get_meta(part_key(made.id, part));
    if (!text && text.error().code != errc::not_found) return text.error();
    if (!text) return damaged(made.id);
    csv += *text;
  }
  std::ranges::replace(csv, ' ', ',');
  auto rates = read_rates(csv);
  if (!rates || rates->size() != made.rates) return damaged(made.id);
  return rates;
}

}  // namespace

std::vector<record> to_records(const std::vector<daily_rate>& news, const std::string& base,
                               event_time known, const std::string& suffix) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%015lld", static_cast<long long>(to_ms(known)));
  const auto id = std::string{digits} + '-' + suffix;
  std::vector<record> records;
  std::uint32_t parts = 0;
  for (const auto& r : news) {
    auto line = line_of(r);
    if (parts == 0 || records.back().value.size() + line.size() > part_bytes_max)
      records.push_back({part_key(id, ++parts), {}});
    records.back().value += line;
  }
  const json made{
      {"base", base}, {"known_ms", to_ms(known)}, {"parts", parts}, {"rates", news.size()}};
  records.push_back({std::string{import_prefix} + id, made.dump()});
  records.push_back({std::string{last_key}, id});
  return records;
}

result<std::vector<rate_import>> list_rate_imports(const journal& log) {
  const auto records = log.list_meta(import_prefix);
  if (!records) return records.error();
  std::vector<rate_import> all;
  for (const auto& r : *records) {
    auto made = parse_import(r);
    if (!made) return made.error();
    all.push_back(std::move(*made));
  }
  return all;
}

result<std::string> last_rate_import(const journal& log) {
  auto id = log.get_meta(std::string{last_key});
  if (!id && id.error().code == errc::not_found) return std::string{};
  return id;
}

result<std::shared_ptr<const rate_book>> load_rates(const journal& log) {
  const auto imports = list_rate_imports(log);
  if (!imports) return imports.error();
  std::shared_ptr<rate_book> book;
  for (const auto& made : *imports) {
    const auto rates = read_import(log, made);
    if (!rates) return rates.error();
    if (book == nullptr) book = std::make_shared<rate_book>(made.base);
    // Two nodes that took their first rates at the same time: the earlier ones count.
    if (made.base != book->base()) continue;
    book->add(*rates, time_from_ms(made.known_ms));
  }
  return std::shared_ptr<const rate_book>{std::move(book)};
}

}  // namespace tally::persistence
