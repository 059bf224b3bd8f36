#pragma once

#include <memory>
#include <string>
#include <utility>

#include "api/foreign_event.hpp"
#include "tests/api/ingest_samples.hpp"

namespace tally::api {

/// Salts that every test knows.
inline persistence::daily_salts sample_salts(event_time now = sample_now) {
  persistence::daily_salts salts;
  salts.today.day = persistence::day_of(now);
  salts.today.key.fill(static_cast<unsigned char>(salts.today.day));
  salts.yesterday.day = salts.today.day - 1;
  salts.yesterday.key.fill(static_cast<unsigned char>(salts.yesterday.day));
  return salts;
}

/// What an adapter made of a request.
struct foreign_reading {
  http_response reply;
  std::unique_ptr<decoded_batch> got;

  [[nodiscard]] const event& only() const {
    static const event none{};
    EXPECT_EQ(got->events.size(), 1u) << refused() << reply.body;
    return got->events.empty() ? none : got->events.front();
  }
  /// Code and detail of the first that was refused.
  [[nodiscard]] std::string refused() const {
    if (got->batch.rejected.empty()) return "";
    return got->batch.rejected[0].code + " " + got->batch.rejected[0].detail;
  }
  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& [key, value] : reply.headers)
      if (key == name) return value;
    return "";
  }
};

/// A listener that knows some aliases; merchants are "shop" and "other".
struct foreign_sample {
  foreign_sample() {
    for (const auto* text :
         {"plausible:shop.example", "posthog:phc_shop", "ga4:G-SHOP",
          "umami:94db1cb1-74f4-4a40-ad6c-962362670409", "matomo:1", "segment:jitsu:secret"})
      aliases.learn(text, "shop");
    for (const auto* text :
         {"plausible:other.example", "matomo:2", "umami:11111111-2222-4333-8444-555555555555"})
      aliases.learn(text, "other");
    aliases.learn_platform_key("key:" + platform_key);
  }

  foreign_reading read(foreign_result (*parse)(const foreign_call&), std::string body,
                       std::string_view query = {}, std::string_view path = {}) {
    auto made = parse({path, query, body, address, key, referer, context, aliases, visitors});
    return {std::move(made.reply), decode(std::move(made.batch))};
  }

  const std::string platform_key = "tp_main.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  alias_book aliases;
  visitor_names visitors{[] { return sample_salts(); }};
  ingest_context context = [] {
    auto c = write_key_context();
    c.merchant = {};
    return c;
  }();
  std::string address = "203.0.113.9", key, referer;
};

}  // namespace tally::api
