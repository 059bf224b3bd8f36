#include "persistence/chunk.hpp"

#include <limits>

#include "domain/ensure.hpp"
#include "persistence/crc32c.hpp"

namespace tally::persistence {
namespace {

constexpr std::uint8_t round_version = 1;
constexpr std::size_t head_bytes = 5, entry_bytes = 50, crc_bytes = 4;

failure corrupt(std::string why) {
  return {errc::corrupt_record, "round: " + std::move(why)};
}

chunk_header read_entry(byte_reader& in) {
  chunk_header h;
  h.shard = in.u16be();
  h.epoch = in.u32be();
  h.base = in.u64be();
  h.count = in.u32be();
  h.stamped_at = time_from_ms(static_cast<std::int64_t>(in.u64be()));
  h.size = in.u32be();
  h.crc = in.u32be();
  h.chain = in.u64be();
  if (in.u64be() != 0) in.fail();
  return h;
}

}  // namespace

void seal(chunk& c, std::uint64_t previous_chain) {
  ensure(c.payload.size() <= std::numeric_limits<std::uint32_t>::max(), "chunk over 4 GiB");
  c.header.size = static_cast<std::uint32_t>(c.payload.size());
  c.header.crc = crc32c(c.payload);
  c.header.chain = next_chain(previous_chain, c.header);
}

std::string encode_round(const std::vector<chunk_ptr>& chunks) {
  std::size_t size = head_bytes + chunks.size() * entry_bytes + crc_bytes;
  for (const auto& c : chunks) size += c->payload.size();
  std::string bytes;
  bytes.reserve(size);
  byte_writer out{bytes};
  out.u8(round_version);
  out.u32be(static_cast<std::uint32_t>(chunks.size()));
  for (const auto& c : chunks) {
    ensure(c->header.size == c->payload.size(), "chunk in a round without seal()");
    write_fields(out, c->header);
    out.u64be(c->header.chain);
    out.u64be(0);
  }
  out.u32be(crc32c(bytes));
  for (const auto& c : chunks) out.raw(c->payload);
  return bytes;
}

result<std::vector<round_entry>> decode_round(std::string_view bytes) {
  byte_reader in{bytes};
  const auto version = in.u8();
  const std::size_t count = in.u32be();
  if (!in.ok()) return corrupt("shorter than its head");
  if (version != round_version) return corrupt("format version " + std::to_string(version));
  if (count > in.rest().size() / entry_bytes) return corrupt("shorter than its directory");
  std::vector<round_entry> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) entries.push_back({read_entry(in), {}});
  const auto directory = bytes.substr(0, head_bytes + count * entry_bytes);
  const auto crc = in.u32be();
  if (!in.ok() || crc != crc32c(directory)) return corrupt("directory does not match its crc");
  for (std::size_t i = 0; i < count; ++i) {
    auto& entry = entries[i];
    entry.payload = in.raw(entry.header.size);
    if (!in.ok()) return corrupt("chunk " + std::to_string(i) + " is cut off");
    if (crc32c(entry.payload) != entry.header.crc) {
      return corrupt("chunk " + std::to_string(i) + " of shard " +
                     std::to_string(entry.header.shard) + " does not match its crc");
    }
  }
  if (!in.at_end()) return corrupt("bytes after its last chunk");
  return entries;
}

}  // namespace tally::persistence
