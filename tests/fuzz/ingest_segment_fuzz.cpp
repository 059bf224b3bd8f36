#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "api/segment.hpp"
#include "domain/event.hpp"
#include "persistence/event_codec.hpp"

/// Any Segment body is read without harm, and every event of it decodes again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string body{reinterpret_cast<const char*>(data) + 1, size - 1};
  tally::api::ingest_context context;
  context.merchant = "shop";
  context.now = tally::time_from_ms(1'291'204'800'000);
  static_cast<void>(tally::api::find_write_key(body));
  const auto call = static_cast<tally::api::segment_call>(data[0] % 7);
  const auto result = tally::api::parse_segment(call, body, context);
  const auto* const batch = std::get_if<tally::api::parsed_batch>(&result);
  if (batch == nullptr) return 0;
  tally::event e;
  for (const auto& parsed : batch->events) {
    const auto bytes = std::string_view{batch->bytes}.substr(parsed.begin, parsed.size);
    if (!tally::persistence::decode_event(bytes, e)) std::abort();
  }
  return 0;
}
