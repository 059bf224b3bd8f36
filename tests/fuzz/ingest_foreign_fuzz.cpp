#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "api/foreign_event.hpp"
#include "api/ga4.hpp"
#include "api/jitsu.hpp"
#include "api/matomo.hpp"
#include "api/pixel.hpp"
#include "api/plausible.hpp"
#include "api/posthog.hpp"
#include "api/umami.hpp"
#include "domain/event.hpp"
#include "persistence/event_codec.hpp"

namespace {

using tally::api::foreign_call;
using tally::api::foreign_result;

struct adapter {
  foreign_result (*parse)(const foreign_call&);
  std::string_view path;
};
constexpr adapter adapters[] = {
    {tally::api::parse_plausible, "/api/event"},  {tally::api::parse_umami, "/api/send"},
    {tally::api::parse_umami, "/api/batch"},      {tally::api::parse_ga4, "/mp/collect"},
    {tally::api::parse_ga4, "/debug/mp/collect"}, {tally::api::parse_gtag, "/g/collect"},
    {tally::api::parse_posthog, "/batch/"},       {tally::api::parse_matomo, "/matomo.php"},
    {tally::api::parse_jitsu, "/api/s/track"},    {tally::api::parse_pixel, "/v1/pixel.gif"}};

tally::api::alias_book known_names() {
  tally::api::alias_book book;
  for (const auto* text : {"plausible:shop.example", "posthog:phc_shop", "ga4:G-SHOP", "matomo:1",
                           "segment:k", "umami:94db1cb1-74f4-4a40-ad6c-962362670409"})
    book.learn(text, "shop");
  return book;
}

}  // namespace

/// Any request of a foreign protocol is read without harm, and every event of it decodes again. The
/// first byte chooses the adapter; the first line is the query, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto& chosen = adapters[data[0] % std::size(adapters)];
  std::string query{reinterpret_cast<const char*>(data) + 1, size - 1}, body;
  if (const auto line = query.find('\n'); line != std::string::npos) {
    body = query.substr(line + 1);
    query.resize(line);
  }
  tally::api::ingest_context context;
  context.now = tally::time_from_ms(1'291'204'800'000);
  auto names = known_names();
  tally::api::visitor_names visitors{[] { return tally::persistence::daily_salts{}; }};
  const auto result =
      chosen.parse({chosen.path, query, body, "203.0.113.9", "k", "", context, names, visitors});
  tally::event e;
  for (const auto& parsed : result.batch.events) {
    const auto bytes = std::string_view{result.batch.bytes}.substr(parsed.begin, parsed.size);
    if (!tally::persistence::decode_event(bytes, e)) std::abort();
  }
  return 0;
}
