#include "domain/chunk.hpp"

#include <xxhash.h>

namespace tally {

void write_fields(byte_writer& out, const chunk_header& header) {
  out.u16be(header.shard);
  out.u32be(header.epoch);
  out.u64be(header.base);
  out.u32be(header.count);
  out.u64be(static_cast<std::uint64_t>(to_ms(header.stamped_at)));
  out.u32be(header.size);
  out.u32be(header.crc);
}

std::uint64_t next_chain(std::uint64_t previous, const chunk_header& header) {
  std::string bytes;
  byte_writer out{bytes};
  out.u64be(previous);
  write_fields(out, header);
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace tally
