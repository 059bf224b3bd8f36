#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "actors/command_parts.hpp"
#include "domain/client_time.hpp"
#include "persistence/rate_store.hpp"

namespace tally::actors::command_parts {
namespace {

constexpr std::size_t rates_shown = 1'000, rates_shown_max = 100'000;

std::string date_text(rate_day day) {
  return format_rfc3339(event_time{day}).substr(0, 10);
}

std::string random_suffix() {
  std::array<unsigned char, 4> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::array<char, 9> hex{};
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  return hex.data();
}

/// What an import adds to the rates that are there; over_limit, conflict for another base.
result<std::vector<daily_rate>> news_of(const rate_book& known, const std::string& base,
                                        const std::string& text) {
  if (!is_currency(base))
    return failure{errc::bad_request, "base: '" + base + "' is not three capital letters"};
  if (known.base() != base)
    return failure{errc::conflict, "base: the rates here are those of one " + known.base()};
  const auto rates = read_rates(text);
  if (!rates) return rates.error();
  auto news = known.news_in(*rates);
  if (known.size() + news.size() > persistence::rates_max)
    return failure{errc::over_limit,
                   "at most " + std::to_string(persistence::rates_max) + " rates"};
  return news;
}

outcome_text rates_import(command_context& context, const arguments& a) {
  if (a.words.size() != 1) return usage("rates import TEXT [--base CODE]");
  auto& env = *context.env;
  if (auto read = env.rates.refresh(*env.journal); !read) return read.error();
  auto known = env.rates.now();
  const auto base = a.option("base", known == nullptr ? "EUR" : known->base());
  if (known == nullptr) known = std::make_shared<const rate_book>(base);
  const auto news = news_of(*known, base, a.words[0]);
  if (!news) return news.error();
  const auto at = std::max(env.now(), known->newest() + std::chrono::milliseconds{1});
  if (!news->empty()) {
    for (const auto& r : persistence::to_records(*news, base, at, random_suffix()))
      if (auto put = put_meta(context, r.key, r.value); !put) return put.error();
    audit(context, "rates import", {{"base", base}, {"rates", news->size()}});
    if (auto read = env.rates.refresh(*env.journal); !read) return read.error();
  }
  json reply{{"base", base}, {"new", news->size()}};
  if (!news->empty()) reply["known_from"] = format_rfc3339(at);
  return reply.dump();
}

/// Which rates are to be shown.
struct rates_wish {
  std::string currency;
  std::optional<rate_day> from, to;
  std::size_t limit = rates_shown;
  [[nodiscard]] bool wants(rate_day day) const {
    return (!from || day >= *from) && (!to || day <= *to);
  }
};

result<std::optional<rate_day>> read_date(const arguments& a, const std::string& name) {
  const auto text = a.option(name);
  if (text.empty()) return std::optional<rate_day>{};
  const auto day = parse_rate_day(text);
  if (!day) return failure{errc::bad_request, name + ": must be a date"};
  return day;
}

result<rates_wish> read_wish(const arguments& a) {
  rates_wish wish;
  wish.currency = a.option("currency");
  if (!wish.currency.empty() && !is_currency(wish.currency))
    return failure{errc::bad_request, "currency: must be three capital letters"};
  const auto from = read_date(a, "from"), to = read_date(a, "to");
  if (!from) return from.error();
  if (!to) return to.error();
  wish.from = *from;
  wish.to = *to;
  if (const auto text = a.option("limit"); !text.empty()) {
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, wish.limit);
    if (read.ec != std::errc{} || read.ptr != end || wish.limit < 1 || wish.limit > rates_shown_max)
      return failure{errc::bad_request, "limit: must be 1 to " + std::to_string(rates_shown_max)};
  }
  return wish;
}

outcome_text rates_list(command_context& context, const arguments& a) {
  const auto wish = read_wish(a);
  if (!wish) return wish.error();
  auto& env = *context.env;
  if (auto read = env.rates.refresh(*env.journal); !read) return read.error();
  const auto book = env.rates.now();
  json reply{{"rates", json::array()}, {"total", 0}};
  if (book == nullptr) return reply.dump();
  std::size_t total = 0;
  for (const auto& [currency, entries] : book->all()) {
    if (!wish->currency.empty() && currency != wish->currency) continue;
    for (auto e = entries.rbegin(); e != entries.rend(); ++e) {
      if (!wish->wants(e->day) || ++total > wish->limit) continue;
      reply["rates"].push_back({{"date", date_text(e->day)},
                                {"currency", currency},
                                {"rate", to_text(e->value)},
                                {"known_from", format_rfc3339(time_from_ms(e->known_ms))}});
    }
  }
  reply["base"] = book->base();
  reply["total"] = total;
  return reply.dump();
}

}  // namespace

const std::vector<command>& rates_commands() {
  static const std::vector<command> all{
      {"rates import", "TEXT [--base CODE]: daily rates as CSV, units for one of the base",
       rates_import},
      {"rates list", "[--currency CODE] [--from DATE] [--to DATE] [--limit N]: newest first",
       rates_list},
  };
  return all;
}

}  // namespace tally::actors::command_parts
