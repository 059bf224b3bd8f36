// links: persistence
#include <string>

#include "domain/ensure.hpp"
#include "persistence/chunk.hpp"
#include "persistence/crc32c.hpp"
#include "persistence/event_codec.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;
using namespace tally::persistence;

namespace {

void put_u32(std::string& bytes, std::size_t at, std::uint32_t v) {
  std::string four;
  byte_writer{four}.u32be(v);
  bytes.replace(at, 4, four);
}

// Makes the checksums right, which no random change would, so that what lies behind them is tried.
std::string with_right_sums(std::string bytes) {
  constexpr std::size_t head = 5, entry = 50, size_at = 26, crc_at = 30;
  byte_reader in{std::string_view{bytes}.substr(0, head)};
  in.u8();
  const std::size_t count = in.u32be();
  if (!in.ok() || count > bytes.size() / entry) return bytes;
  const auto directory = head + count * entry;
  if (bytes.size() < directory + 4) return bytes;
  auto payload = directory + 4;
  for (std::size_t i = 0; i < count; ++i) {
    byte_reader field{std::string_view{bytes}.substr(head + i * entry + size_at)};
    const std::size_t size = field.u32be();
    if (size > bytes.size() - payload) break;
    put_u32(bytes, head + i * entry + crc_at,
            crc32c(std::string_view{bytes}.substr(payload, size)));
    payload += size;
  }
  put_u32(bytes, directory, crc32c(std::string_view{bytes}.substr(0, directory)));
  return bytes;
}

void try_round(std::string_view bytes) {
  const auto entries = decode_round(bytes);
  if (!entries) return;
  std::vector<chunk_ptr> chunks;
  event e;
  for (const auto& [header, payload] : *entries) {
    (void)for_each_event(payload, header.count,
                         [&](std::uint32_t, std::string_view one) { (void)decode_event(one, e); });
    chunks.push_back(std::make_shared<chunk>(chunk{header, std::string{payload}}));
  }
  ensure(encode_round(chunks) == bytes, "a round changes when it is encoded again");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = testing::as_bytes(data, size);
  try_round(bytes);
  try_round(with_right_sums(std::string{bytes}));
  return 0;
}
