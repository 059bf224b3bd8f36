// links: domain
#include <string>

#include "domain/ensure.hpp"
#include "domain/rows.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

// The first byte is the kind of row, the second where the first of two rows ends.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const row_kind kind{data[0]};
  const auto bytes = testing::as_bytes(data + 2, size - 2);
  const auto a = bytes.substr(0, data[1]);
  const auto b = bytes.substr(a.size());
  std::string ab{a}, ba{b};
  if (!merge_encoded(kind, ab, b)) return 0;
  ensure(merge_encoded(kind, ba, a), "rows merge in one order only");
  ensure(ab == ba, "the order of a merge matters");
  const auto before = ab;
  ensure(merge_encoded(kind, ab, ""), "a merged row does not decode");
  ensure(ab == before, "a row changes when it is encoded again");
  return 0;
}
