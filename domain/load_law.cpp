#include "domain/load_law.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "domain/ensure.hpp"

namespace tally {

namespace {

/// Mixes a number so that every bit of it moves every bit of the result; no two numbers meet.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

template <std::size_t N>
using shares = std::array<std::uint32_t, N>;  // cumulative, of 2^32

template <std::size_t N>
constexpr shares<N> zipf_shares() {
  double sum = 0, upto = 0;
  for (std::size_t k = 1; k <= N; ++k) sum += 1.0 / static_cast<double>(k);
  shares<N> out{};
  for (std::size_t k = 1; k <= N; ++k) {
    upto += 1.0 / static_cast<double>(k);
    out[k - 1] = static_cast<std::uint32_t>(upto / sum * 4'294'967'295.0);
  }
  out[N - 1] = 0xffffffffU;
  return out;
}

template <std::size_t N>
std::size_t pick(const shares<N>& cumulative, std::uint32_t random) {
  return static_cast<std::size_t>(std::lower_bound(cumulative.begin(), cumulative.end(), random) -
                                  cumulative.begin());
}

constexpr std::uint32_t percent(std::uint32_t hundredths) {
  return static_cast<std::uint32_t>(0xffffffffULL * hundredths / 100);
}

constexpr std::uint32_t path_count = 50;
constexpr auto path_shares = zipf_shares<path_count>();
constexpr auto referrer_shares = zipf_shares<20>();
constexpr auto country_shares = zipf_shares<40>();
constexpr auto browser_shares = zipf_shares<6>();
constexpr shares<3> device_shares{percent(62), percent(95), 0xffffffffU};
constexpr shares<5> name_shares{percent(85), percent(93), percent(96), percent(99), 0xffffffffU};

using texts = std::string_view;
constexpr std::array<texts, 5> names{"page_view", "add_to_cart", "checkout", "purchase", "refund"};
constexpr std::size_t purchase = 3, refund = 4;
constexpr std::array<texts, 20> referrers{
    "https://www.google.com/",  "https://m.facebook.com/",   "https://www.bing.com/",
    "https://duckduckgo.com/",  "https://l.instagram.com/",  "https://t.co/",
    "https://www.youtube.com/", "https://www.reddit.com/",   "https://www.pinterest.com/",
    "https://www.tiktok.com/",  "https://ecosia.org/",       "https://yandex.com/",
    "https://www.baidu.com/",   "https://search.yahoo.com/", "https://news.example/",
    "https://blog.example/",    "https://deals.example/",    "https://mail.example/",
    "https://partner.example/", "https://forum.example/"};
constexpr std::array<texts, 40> countries{
    "US", "GB", "DE", "IN", "FR", "CA", "AU", "JP", "BR", "NL", "ES", "IT", "SE", "PL",
    "MX", "CH", "BE", "AT", "DK", "NO", "FI", "IE", "PT", "CZ", "GR", "HU", "RO", "TR",
    "ZA", "NZ", "SG", "HK", "KR", "TW", "TH", "ID", "PH", "VN", "AR", "CL"};
constexpr std::array<texts, 3> devices{"mobile", "desktop", "tablet"};
constexpr std::array<texts, 6> browsers{"chrome", "safari", "edge", "firefox", "samsung", "opera"};
constexpr std::array<texts, 8> categories{"shirts", "shoes", "mugs",  "lamps",
                                          "bags",   "toys",  "books", "posters"};
constexpr std::array<texts, 5> currencies{"USD", "EUR", "GBP", "INR", "JPY"};

constexpr std::int64_t minute_ms = 60'000, day_ms = 86'400'000;
constexpr std::uint64_t late_share = 2, session_share = 70;  // of 100

void append_hex(std::string& out, std::uint64_t value, unsigned digits) {
  constexpr texts hex = "0123456789abcdef";
  for (unsigned i = digits; i-- > 0;) out += hex[(value >> (4 * i)) & 15U];
}

void append_digits(std::string& out, std::uint64_t value, unsigned digits) {
  std::array<char, 20> text{};
  unsigned size = 0;
  for (; value != 0 || size < digits; value /= 10) {
    text[size++] = static_cast<char>('0' + value % 10);
  }
  while (size > 0) out += text[--size];
}

void append_path(std::string& out, std::uint32_t path, std::uint64_t merchant_mix) {
  constexpr std::array<texts, 3> fixed{"/", "/cart", "/collections/all"};
  if (path < fixed.size()) {
    out += fixed[path];
    return;
  }
  out += "/products/";
  out += categories[(merchant_mix + path) % categories.size()];
  out += '-';
  append_hex(out, merchant_mix >> 40U, 6);
  out += '-';
  append_digits(out, path, 2);
}

void append_amount(std::string& out, std::uint64_t random) {
  const auto cents = 500 + random % 19'501;  // 5.00 to 200.00
  append_digits(out, cents / 100, 1);
  out += '.';
  append_digits(out, cents % 100, 2);
}

/// A number from 1 to n with a probability of 1/k each, exactly: rejection-inversion after
/// Hoermann and Derflinger (1996), for an exponent of 1.
template <class Draws>
std::uint64_t zipf(std::uint64_t n, Draws& from) {
  const double low = std::log(1.5) - 1.0, high = std::log(static_cast<double>(n) + 0.5);
  while (true) {
    const double u = high + from.fraction() * (low - high);
    const double x = std::exp(u);
    const double k = std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(n));
    if (u >= std::log(k + 0.5) - 1.0 / k) return static_cast<std::uint64_t>(k);
  }
}

}  // namespace

/// Random numbers of one event.
struct load_law::draws {
  std::uint64_t state;

  std::uint64_t next() { return mix(state += 0xa0761d6478bd642fULL); }
  std::uint32_t small() { return static_cast<std::uint32_t>(next() >> 32U); }
  double fraction() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
  bool chance(std::uint64_t of_100) { return next() % 100 < of_100; }
};

load_law::load_law(const load_options& options) : options_{options} {
  const auto n = options.merchants;
  ensure(n >= 1 && n <= 10'000'000, "a load of no or too many merchants");
  for (std::uint32_t k = 1; k <= n; ++k) harmonic_ += 1.0 / k;
  if (options.uniform || options.only_merchant) return;
  // Vose's alias method: every slot is left with its own merchant and at most one other.
  std::vector<double> weight(n);
  std::vector<std::uint32_t> poor, rich;
  keep_.assign(n, ~std::uint64_t{0});
  other_.resize(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    weight[i] = n / ((i + 1) * harmonic_);
    other_[i] = i;
    (weight[i] < 1 ? poor : rich).push_back(i);
  }
  while (!poor.empty() && !rich.empty()) {
    const auto low = poor.back(), high = rich.back();
    poor.pop_back();
    keep_[low] = static_cast<std::uint64_t>(weight[low] * 0x1p63) << 1U;
    other_[low] = high;
    weight[high] -= 1 - weight[low];
    if (weight[high] < 1) {
      rich.pop_back();
      poor.push_back(high);
    }
  }
}

std::uint32_t load_law::draw_merchant(draws& from) const {
  if (options_.only_merchant) return *options_.only_merchant;
  const auto slot = static_cast<std::uint32_t>(
      (static_cast<std::uint64_t>(from.small()) * options_.merchants) >> 32U);
  if (options_.uniform) return slot;
  return from.next() < keep_[slot] ? slot : other_[slot];
}

std::uint32_t load_law::draw_merchant(std::uint64_t number) const {
  draws from{mix(options_.seed ^ 0x517cc1b727220a95ULL) + number};
  return draw_merchant(from);
}

std::uint64_t load_law::visitors_of(std::uint32_t merchant) const {
  const auto events = static_cast<double>(options_.events);
  double expected = events / ((merchant + 1.0) * harmonic_);
  if (options_.uniform) expected = events / options_.merchants;
  if (options_.only_merchant) expected = events;
  return std::max<std::uint64_t>(5, static_cast<std::uint64_t>(expected / 6));
}

event_time load_law::planned(std::uint64_t index, draws& from) const {
  const double f = (static_cast<double>(index) + 0.5) / static_cast<double>(options_.events);
  double days_before = (1 - f) / 0.5;  // the second half: one day
  if (f < 0.2) {
    days_before = 30 - f / 0.2 * 23;
  } else if (f < 0.5) {
    days_before = 7 - (f - 0.2) / 0.3 * 6;
  }
  auto at = to_ms(options_.end) - static_cast<std::int64_t>(days_before * day_ms) - 1;
  if (from.chance(late_share)) at -= static_cast<std::int64_t>(from.next() % (10 * minute_ms));
  return time_from_ms(at);
}

void load_law::append(std::string& out, std::uint64_t index, draws& from, event_time at) const {
  const auto merchant = draw_merchant(from);
  const auto merchant_mix = mix(options_.seed ^ (std::uint64_t{merchant} << 24U));
  const auto rank = zipf(visitors_of(merchant), from);
  const auto visitor = mix(merchant_mix + rank);
  const auto name = pick(name_shares, from.small());
  out += '{';
  if (!options_.only_merchant) {
    out += R"("merchant":"m)";
    append_digits(out, merchant, 6);
    out += "\",";
  }
  out += R"("id":")";
  append_hex(out, mix(mix(options_.seed) ^ index), 16);
  out += R"(","at":)";
  append_digits(out, static_cast<std::uint64_t>(to_ms(at)), 1);
  out += R"(,"name":")";
  out += names[name];
  out += R"(","visitor":")";
  append_hex(out, visitor >> 16U, 12);
  if (from.chance(session_share)) {
    out += R"(","session":")";
    append_hex(out, mix(visitor ^ static_cast<std::uint64_t>(to_ms(at) / (30 * minute_ms))) >> 32U,
               8);
  }
  out += R"(","url":")";
  append_path(out, static_cast<std::uint32_t>(pick(path_shares, from.small())), merchant_mix);
  out += R"(","referrer":")";
  out += referrers[pick(referrer_shares, from.small())];
  // A visitor has one country and one machine.
  draws own{visitor};
  out += R"(","country":")";
  out += countries[pick(country_shares, own.small())];
  out += R"(","device":")";
  out += devices[pick(device_shares, own.small())];
  out += R"(","browser":")";
  out += browsers[pick(browser_shares, own.small())];
  out += '"';
  if (name == purchase || name == refund) {
    out += R"(,"order":{"id":"o)";
    append_hex(out, from.next() >> 24U, 10);
    out += R"(","currency":")";
    out += currencies[merchant_mix % currencies.size()];
    out += name == purchase ? R"(","total":")" : R"(","amount":")";
    append_amount(out, from.next());
    out += "\"}";
  }
  out += "}\n";
}

void load_law::append_line(std::string& out, std::uint64_t index) const {
  draws from{mix(options_.seed) + mix(index)};
  const auto at = planned(index, from);
  append(out, index, from, at);
}

void load_law::append_line_live(std::string& out, std::uint64_t index, event_time now) const {
  draws from{mix(options_.seed) + mix(index)};
  auto at = to_ms(now);
  if (from.chance(late_share)) at -= static_cast<std::int64_t>(from.next() % (10 * minute_ms));
  append(out, index, from, time_from_ms(at));
}

std::uint32_t load_law::merchant_of(std::uint64_t index) const {
  draws from{mix(options_.seed) + mix(index)};
  static_cast<void>(planned(index, from));
  return draw_merchant(from);
}

event_time load_law::time_of(std::uint64_t index) const {
  draws from{mix(options_.seed) + mix(index)};
  return planned(index, from);
}

std::string load_merchant_name(std::uint32_t merchant) {
  std::string out = "m";
  append_digits(out, merchant, 6);
  return out;
}

}  // namespace tally
