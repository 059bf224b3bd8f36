#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/time.hpp"

namespace tally::api {

/// A made-up shop of the demonstration.
struct demo_shop {
  std::string_view id, title, zone, currency;
  int zone_hours = 0;  // about what its zone is ahead of UTC: when its visitors wake
  unsigned visits_per_day = 100;
  unsigned price_cents_min = 500, price_cents_max = 5'000;
  std::string_view home_country;
  std::span<const std::string_view> products;
};

[[nodiscard]] std::span<const demo_shop> demo_shops();

struct demo_event {
  event_time at{};
  std::string json;  // one line, without line end
};

/// Plays visitors of a shop: they come by day more than by night, from searches, links and
/// campaigns, look at pages, some fill a cart, fewer pay, and a few send things back days later.
/// Equal seeds and calls give equal events.
class demo_simulator {
 public:
  demo_simulator(const demo_shop& shop, std::uint64_t seed);

  /// Events of all visits that begin in a day from `day`, in order of time. Some lie behind it.
  [[nodiscard]] std::vector<demo_event> play_day(event_time day);
  /// Events of one visit that begins now; pages follow each other within seconds.
  [[nodiscard]] std::vector<demo_event> play_visit(event_time begin, bool hurried);

 private:
  struct person {
    std::string id;
    std::string_view country, device, browser;
    bool has_ordered = false;
  };
  struct visit;

  [[nodiscard]] bool chance(double probability);
  [[nodiscard]] unsigned below(unsigned limit);
  person& somebody();
  void add(visit& v, std::string_view name, const std::string& path, const std::string& more);
  void shop_in(visit& v);
  void buy(visit& v);
  [[nodiscard]] std::string items(const std::vector<unsigned>& cart, unsigned most) const;
  [[nodiscard]] unsigned price_of(unsigned product) const;

  const demo_shop& shop_;
  std::mt19937_64 random_;
  std::vector<person> people_;
  std::uint64_t events_ = 0, orders_ = 0;
};

}  // namespace tally::api
