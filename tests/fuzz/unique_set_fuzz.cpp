// links: domain
#include <string>

#include "domain/ensure.hpp"
#include "domain/unique_set.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

namespace {

std::string encoded(const unique_set& set) {
  std::string bytes;
  byte_writer out{bytes};
  set.encode(out);
  return bytes;
}

}  // namespace

// Two encoded sets, then hashes of 8 bytes to add to the first.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  byte_reader in{testing::as_bytes(data, size)};
  auto a = unique_set::decode(in);
  const auto b = unique_set::decode(in);
  if (!in.ok()) return 0;
  while (in.rest().size() >= 8) a.add(in.u64be());

  const auto bytes = encoded(a);
  byte_reader again{bytes};
  ensure(unique_set::decode(again) == a && again.ok() && again.at_end(), "a set changes in bytes");
  (void)a.estimate();
  auto ab = a, ba = b;
  ab.merge(b);
  ba.merge(a);
  ensure(ab == ba && encoded(ab) == encoded(ba), "the order of a merge matters");
  return 0;
}
