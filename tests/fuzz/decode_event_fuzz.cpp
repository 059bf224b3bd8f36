// links: persistence
#include <string>

#include "domain/ensure.hpp"
#include "persistence/event_codec.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = testing::as_bytes(data, size);
  const auto merchant = persistence::peek_merchant(bytes);
  event first;
  if (!persistence::decode_event(bytes, first)) return 0;
  ensure(first.merchant == merchant, "peek_merchant and decode_event differ");

  std::string once, twice;
  persistence::encode_event(first, once);
  event second;
  ensure(persistence::decode_event(once, second), "what was encoded does not decode");
  persistence::encode_event(second, twice);
  ensure(once == twice, "an event changes when it is encoded again");
  return 0;
}
