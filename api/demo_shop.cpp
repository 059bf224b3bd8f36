#include "api/demo_shop.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "api/import_lines.hpp"
#include "api/json_text.hpp"

namespace tally::api {

namespace {

using text = std::string_view;
using std::chrono::milliseconds;

constexpr std::array<text, 8> teas{"Morning Mist Sencha", "Smoky Lapsang", "Garden Mint",
                                   "Ginger & Lemon",      "First Flush",   "Iron Goddess",
                                   "Clay Teapot",         "Bamboo Whisk"};
constexpr std::array<text, 8> lamps{"Harbour Lantern", "Reading Arm",  "Paper Moon", "Copper Bell",
                                    "Desk Beam",       "Window Globe", "Warm Bulb",  "Linen Shade"};
constexpr std::array<text, 8> boots{"Ridge Boot",    "Trail Runner",   "Wool Sock",
                                    "Canvas Gaiter", "Leather Grease", "Summit Boot",
                                    "Camp Slipper",  "Spare Lace"};
constexpr std::array<demo_shop, 3> shops{
    {{"tea-room", "The Tea Room", "Europe/London", "GBP", 0, 260, 450, 3'900, "GB", teas},
     {"lampenhaus", "Lampenhaus", "Europe/Berlin", "EUR", 1, 120, 1'900, 18'900, "DE", lamps},
     {"ridge-boots", "Ridge Boots", "America/New_York", "USD", -5, 70, 900, 24'900, "US", boots}}};

constexpr std::array<text, 6> other_countries{"FR", "NL", "IE", "CA", "SE", "ES"};
constexpr std::array<text, 4> browsers{"chrome", "safari", "firefox", "edge"};
constexpr std::array<text, 5> referrers{"https://www.google.com/", "https://www.bing.com/",
                                        "https://www.instagram.com/", "https://www.reddit.com/",
                                        "https://news.example/"};
// Of a day's visits in each hour of the shop's own day, of 1000.
constexpr std::array<unsigned, 24> hours{14, 8,  5,  4,  4,  7,  16, 30, 44, 52, 55, 55,
                                         60, 58, 52, 50, 52, 56, 64, 76, 84, 78, 50, 26};

std::string slug(text name) {
  std::string out;
  for (const char c : name) {
    const char low = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool letter = low >= 'a' && low <= 'z';
    if (letter) out += low;
    if (!letter && !out.empty() && out.back() != '-') out += '-';
  }
  return out;
}

std::string amount(unsigned cents) {
  const auto rest = cents % 100;
  return std::to_string(cents / 100) + (rest < 10 ? ".0" : ".") + std::to_string(rest);
}

}  // namespace

std::span<const demo_shop> demo_shops() {
  return shops;
}

struct demo_simulator::visit {
  person& who;
  event_time at;
  bool hurried = false;
  std::string landing, referrer;  // of the first event
  std::vector<unsigned> cart;     // products
  std::vector<demo_event> events;
};

demo_simulator::demo_simulator(const demo_shop& shop, std::uint64_t seed)
    : shop_{shop}, random_{seed ^ std::hash<text>{}(shop.id)} {}

bool demo_simulator::chance(double probability) {
  return static_cast<double>(random_() >> 11U) * 0x1p-53 < probability;
}

unsigned demo_simulator::below(unsigned limit) {
  return static_cast<unsigned>(random_() % limit);
}

unsigned demo_simulator::price_of(unsigned product) const {
  const auto span = shop_.price_cents_max - shop_.price_cents_min;
  const auto share = (product * 37 + 11) % 100;
  return (shop_.price_cents_min + span * share / 100) / 50 * 50 + 49;
}

/// A third of all visits are by people who came before.
demo_simulator::person& demo_simulator::somebody() {
  if (!people_.empty() && chance(0.35)) {
    return people_[below(static_cast<unsigned>(people_.size()))];
  }
  person fresh;
  fresh.id = hash_text(std::string{shop_.id} + std::to_string(people_.size())).substr(0, 16);
  fresh.country = chance(0.7) ? shop_.home_country : other_countries[below(other_countries.size())];
  fresh.device = chance(0.6) ? "mobile" : chance(0.9) ? "desktop" : "tablet";
  fresh.browser = browsers[std::min(below(browsers.size()), below(browsers.size()))];
  return people_.emplace_back(std::move(fresh));
}

void demo_simulator::add(visit& v, text name, const std::string& path, const std::string& more) {
  std::string json = "{\"merchant\":";
  append_json_text(json, shop_.id);
  append_field(json, "id", std::string{"demo-"} + std::to_string(++events_));
  json += ",\"at\":" + std::to_string(to_ms(v.at));
  append_field(json, "name", name);
  append_field(json, "visitor", v.who.id);
  if (v.who.has_ordered) append_field(json, "user", "customer-" + v.who.id);
  const auto landing = v.events.empty() ? v.landing : std::string{};
  append_field(json, "url", "https://" + std::string{shop_.id} + ".example" + path + landing);
  if (v.events.empty()) append_field(json, "referrer", v.referrer);
  append_field(json, "country", v.who.country);
  append_field(json, "device", v.who.device);
  append_field(json, "browser", v.who.browser);
  v.events.push_back({v.at, json + more + "}"});
  v.at += milliseconds{v.hurried ? 2'000 + below(9'000) : 6'000 + below(80'000)};
}

std::string demo_simulator::items(const std::vector<unsigned>& cart, unsigned most) const {
  std::map<unsigned, unsigned> quantities;
  for (const auto product : cart) ++quantities[product];
  std::string out;
  for (const auto& [product, quantity] : quantities) {
    if (most-- == 0) break;
    out += out.empty() ? "{\"id\":" : ",{\"id\":";
    append_json_text(out, std::string{shop_.id.substr(0, 3)} + "-" + std::to_string(product + 100));
    append_field(out, "name", shop_.products[product]);
    out += ",\"quantity\":" + std::to_string(quantity);
    append_field(out, "price", amount(price_of(product)));
    out += "}";
  }
  return out;
}

void demo_simulator::buy(visit& v) {
  v.who.has_ordered = true;
  const auto id = std::string{shop_.id.substr(0, 3)} + "-" + std::to_string(10'000 + ++orders_);
  std::string order = ",\"order\":{\"id\":";
  append_json_text(order, id);
  append_field(order, "currency", shop_.currency);
  const auto head = order;
  order += ",\"shipping\":\"3.95\"";
  if (chance(0.1)) order += R"(,"coupon":"WELCOME","discount":"2.00")";
  add(v, "purchase", "/thanks", order + ",\"items\":[" + items(v.cart, 99) + "]}");
  if (!chance(0.06)) return;
  auto back = visit{v.who, v.at + std::chrono::hours{24 + below(9 * 24)}, false, {}, {}, {}, {}};
  add(back, "refund", "/returns", head + ",\"items\":[" + items(v.cart, 1) + "]}");
  if (!v.hurried) v.events.push_back(std::move(back.events.front()));
}

void demo_simulator::shop_in(visit& v) {
  const auto products = static_cast<unsigned>(shop_.products.size());
  unsigned seen = std::min(below(products), below(products));
  while (true) {
    const auto path = "/products/" + slug(shop_.products[seen]);
    add(v, "page_view", path, "");
    if (chance(0.16)) {
      v.cart.push_back(seen);
      add(v, "add_to_cart", path,
          ",\"props\":{\"product\":\"" + slug(shop_.products[seen]) + "\"}");
    }
    if (!chance(0.62)) break;
    seen = std::min(below(products), below(products));
  }
  if (v.cart.empty() || !chance(0.6)) return;
  add(v, "page_view", "/cart", "");
  if (!chance(0.75)) return;
  add(v, "checkout", "/checkout", "");
  if (chance(0.72)) buy(v);
}

std::vector<demo_event> demo_simulator::play_visit(event_time begin, bool hurried) {
  visit v{somebody(), begin, hurried, {}, {}, {}, {}};
  if (chance(0.15)) {
    v.landing = "?utm_source=newsletter&utm_medium=email&utm_campaign=new-in";
  } else if (chance(0.7)) {
    v.referrer = referrers[std::min(below(referrers.size()), below(referrers.size()))];
  }
  const bool on_home = chance(0.55);
  if (on_home) add(v, "page_view", "/", "");
  if (!on_home || chance(0.6)) shop_in(v);
  return std::move(v.events);
}

std::vector<demo_event> demo_simulator::play_day(event_time day) {
  const auto number = std::chrono::floor<std::chrono::days>(day).time_since_epoch().count();
  const double season = 1 + 0.15 * std::sin(static_cast<double>(number) / 9.0);
  const bool weekend = (number + 3) % 7 >= 5;
  const auto visits = static_cast<unsigned>(shop_.visits_per_day * season * (weekend ? 1.25 : 1.0));
  std::vector<demo_event> events;
  for (unsigned i = 0; i < visits; ++i) {
    unsigned hour = 0, share = below(1'000);
    while (hour < 23 && share >= hours[hour]) share -= hours[hour++];
    const auto utc_hour = (static_cast<int>(hour) - shop_.zone_hours + 24) % 24;
    const auto begin = day + std::chrono::hours{utc_hour} + milliseconds{below(3'600'000)};
    auto made = play_visit(begin, false);
    std::move(made.begin(), made.end(), std::back_inserter(events));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const demo_event& a, const demo_event& b) { return a.at < b.at; });
  return events;
}

}  // namespace tally::api
