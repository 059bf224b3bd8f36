#include "api/ack_token.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "domain/bytes.hpp"
#include "domain/shard.hpp"

namespace tally::api {
namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::size_t checksum_bytes = 4;
constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

std::string to_base64url(std::string_view bytes) {
  std::string out;
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<std::uint8_t>(c);
    for (bits += 8; bits >= 6; bits -= 6) out += digits[held >> (bits - 6) & 63];
  }
  if (bits != 0) out += digits[held << (6 - bits) & 63];
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out;
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    held = held << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(held >> bits & 0xFF);
  }
  if (bits == 6 || (held & ((1u << bits) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace

std::string encode_ack(std::vector<actors::ack_position> positions) {
  std::sort(positions.begin(), positions.end(), [](const auto& a, const auto& b) {
    return a.shard != b.shard ? a.shard < b.shard : a.offset > b.offset;
  });
  const auto same = [](const auto& a, const auto& b) { return a.shard == b.shard; };
  positions.erase(std::unique(positions.begin(), positions.end(), same), positions.end());
  std::string bytes;
  byte_writer out{bytes};
  out.u8(format_version);
  out.varint(positions.size());
  std::uint16_t previous = 0;
  for (const auto& p : positions) {
    out.varint(static_cast<std::uint64_t>(p.shard - previous));
    out.varint(p.offset);
    previous = p.shard;
  }
  out.u32be(checksum(bytes));
  return to_base64url(bytes);
}

std::optional<std::vector<actors::ack_position>> decode_ack(std::string_view token) {
  const auto bytes = from_base64url(token);
  if (!bytes || bytes->size() < checksum_bytes + 2) return std::nullopt;
  const auto content = std::string_view{*bytes}.substr(0, bytes->size() - checksum_bytes);
  if (byte_reader{std::string_view{*bytes}.substr(content.size())}.u32be() != checksum(content)) {
    return std::nullopt;
  }
  byte_reader in{content};
  if (in.u8() != format_version) return std::nullopt;
  const auto count = in.varint();
  if (count > shard_count) return std::nullopt;
  std::vector<actors::ack_position> positions;
  std::uint64_t shard = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto step = in.varint();
    const auto offset = in.varint();
    if (!in.ok() || step >= shard_count || (i != 0 && step == 0)) return std::nullopt;
    shard += step;
    if (shard >= shard_count) return std::nullopt;
    positions.push_back({static_cast<std::uint16_t>(shard), offset});
  }
  if (!in.at_end()) return std::nullopt;
  return positions;
}

}  // namespace tally::api
