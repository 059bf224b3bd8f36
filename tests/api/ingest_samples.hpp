#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/ingest_types.hpp"
#include "domain/event.hpp"
#include "persistence/event_codec.hpp"

namespace tally::api {

/// 2010-12-01T12:00:00Z
constexpr event_time sample_now = time_from_ms(1'291'204'800'000);

inline ingest_context write_key_context() {
  ingest_context context;
  context.merchant = "shop";
  context.now = sample_now;
  context.agent = "header agent";
  context.address_network = "203.0.113.0/24";
  return context;
}

inline ingest_context platform_context() {
  ingest_context context;
  context.platform = true;
  context.now = sample_now;
  context.agent = "header agent";
  context.address_network = "203.0.113.0/24";
  return context;
}

/// A parsed body with its events decoded again; texts point into `batch`.
struct decoded_batch {
  parsed_batch batch;
  std::vector<event> events;
};

inline std::unique_ptr<decoded_batch> decode(ingest_result result) {
  auto out = std::make_unique<decoded_batch>();
  if (const auto* const failed = std::get_if<unreadable_body>(&result)) {
    ADD_FAILURE() << failed->status << ' ' << failed->code << ": " << failed->detail;
    return out;
  }
  out->batch = std::get<parsed_batch>(std::move(result));
  for (const auto& e : out->batch.events) {
    const auto bytes = std::string_view{out->batch.bytes}.substr(e.begin, e.size);
    EXPECT_TRUE(persistence::decode_event(bytes, out->events.emplace_back()));
  }
  EXPECT_EQ(out->batch.count, out->batch.events.size() + out->batch.rejected.size());
  return out;
}

}  // namespace tally::api
