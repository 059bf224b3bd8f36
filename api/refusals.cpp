#include "api/refusals.hpp"

#include <map>
#include <string>
#include <utility>

#include "domain/client_time.hpp"
#include "domain/event.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"

namespace tally::api {
namespace {

constexpr std::size_t journaled_refusals_max = 10;  // with their bytes, per request and code

/// Ids of refused lines have no time of their own. Some days long ago, chosen by the id, keep the
/// slices of those of a very long import small.
client_time time_of_refused(std::string_view id) {
  constexpr std::int64_t days = 32, day_ms = 86'400'000;
  return client_time_from_ms(static_cast<std::int64_t>(merchant_hash(id) % days) * day_ms);
}

}  // namespace

void add_refusals(actors::submission& to, const std::vector<rejected_event>& rejected,
                  std::string_view merchant, event_time received_at) {
  struct tally_of_code {
    std::size_t shown = 0;
    std::uint32_t more = 0;
  };
  std::map<std::pair<std::string, std::string>, tally_of_code> counts;
  const auto put = [&](std::string_view of, const rejected_event& r, std::uint32_t count) {
    event e;
    e.kind = event_kind::rejected;
    e.merchant = of;
    e.name = r.code;
    e.title = r.detail;
    e.raw = r.raw;
    e.count = count;
    e.id = r.id;
    if (!e.id.empty()) e.sent = time_of_refused(e.id);
    e.at = e.received_at = received_at;
    actors::submission::entry entry;
    entry.begin = static_cast<std::uint32_t>(to.bytes.size());
    persistence::encode_event(e, to.bytes);
    entry.size = static_cast<std::uint32_t>(to.bytes.size()) - entry.begin;
    entry.merchant = merchant_hash(of);
    to.events.push_back(entry);
  };
  for (const auto& r : rejected) {
    const std::string of{r.merchant.empty() ? merchant : r.merchant};
    if (!is_merchant_id(of)) continue;
    auto& seen = counts[{of, r.code}];
    if (!r.id.empty() || seen.shown++ < journaled_refusals_max) {
      put(of, r, 1);
    } else {
      ++seen.more;
    }
  }
  for (const auto& [key, seen] : counts) {
    if (seen.more == 0) continue;
    rejected_event others;
    others.code = key.second;
    put(key.first, others, seen.more);
  }
}

}  // namespace tally::api
