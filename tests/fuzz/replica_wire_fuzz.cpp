#include "cluster/replica_wire.hpp"
#include "domain/ensure.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

// A frame. What it says can be written again, and then says the same.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = testing::as_bytes(data, size);
  const auto got = cluster::decode_frame(bytes);
  if (!got) return 0;
  std::size_t takes = 11;
  for (const auto& m : *got) takes += cluster::frame_bytes(m);
  const auto written = cluster::encode_frame(*got);
  ensure(written.size() <= bytes.size(), "what was read is longer when it is written");
  ensure(written.size() <= takes, "a frame is longer than its messages said");
  const auto again = cluster::decode_frame(written);
  ensure(again && cluster::encode_frame(*again) == written, "a frame changes when it is read");
  return 0;
}
