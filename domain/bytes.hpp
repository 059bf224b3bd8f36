#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tally {

__extension__ typedef __int128 int128;            // NOLINT(modernize-use-using)
__extension__ typedef unsigned __int128 uint128;  // NOLINT(modernize-use-using)

/// Appends fixed and variable width integers to a byte string. Varints are LEB128; signed values
/// are zigzag coded first, so that small magnitudes stay short.
class byte_writer {
 public:
  explicit byte_writer(std::string& out) : out_{out} {}

  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u16be(std::uint16_t v) { big_endian(v, 2); }
  void u32be(std::uint32_t v) { big_endian(v, 4); }
  void u64be(std::uint64_t v) { big_endian(v, 8); }
  /// Sorts like the number it stands for, negative ones included.
  void i64be(std::int64_t v) { u64be(static_cast<std::uint64_t>(v) ^ (std::uint64_t{1} << 63)); }
  void varint(std::uint64_t v) { wide_varint(v); }
  void wide_varint(uint128 v) {
    for (; v >= 0x80; v >>= 7) u8(static_cast<std::uint8_t>((v & 0x7f) | 0x80));
    u8(static_cast<std::uint8_t>(v));
  }
  void zigzag(int128 v) {
    wide_varint((static_cast<uint128>(v) << 1) ^ static_cast<uint128>(v >> 127));
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  void text(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }

 private:
  void big_endian(std::uint64_t v, unsigned width) {
    for (unsigned i = 0; i < width; ++i) u8(static_cast<std::uint8_t>(v >> (8 * (width - 1 - i))));
  }

  std::string& out_;
};

/// Reads what byte_writer wrote. After the first read past the end, `ok()` is false and every read
/// gives zero or empty, so that a decoder checks once, at its end.
class byte_reader {
 public:
  explicit byte_reader(std::string_view bytes) : bytes_{bytes} {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  [[nodiscard]] std::string_view rest() const { return bytes_; }

  std::uint8_t u8() {
    if (bytes_.empty()) return fail();
    const auto v = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return v;
  }
  std::uint16_t u16be() { return static_cast<std::uint16_t>(big_endian(2)); }
  std::uint32_t u32be() { return static_cast<std::uint32_t>(big_endian(4)); }
  std::uint64_t u64be() { return big_endian(8); }
  std::int64_t i64be() {
    return static_cast<std::int64_t>(big_endian(8) ^ (ok_ ? std::uint64_t{1} << 63 : 0));
  }
  std::uint64_t varint() {
    const auto v = wide_varint();
    if (v > ~std::uint64_t{0}) return fail();
    return static_cast<std::uint64_t>(v);
  }
  uint128 wide_varint() {
    uint128 v = 0;
    for (unsigned shift = 0; shift < 133; shift += 7) {
      const auto byte = u8();
      if (!ok_) return 0;
      v |= static_cast<uint128>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return v;
    }
    return fail();
  }
  int128 zigzag() {
    const auto v = wide_varint();
    return static_cast<int128>(v >> 1) ^ -static_cast<int128>(v & 1);
  }
  std::int64_t zigzag64() { return static_cast<std::int64_t>(zigzag()); }
  std::string_view raw(std::size_t size) {
    if (size > bytes_.size()) {
      fail();
      return {};
    }
    const auto v = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return v;
  }
  std::string_view text() { return raw(static_cast<std::size_t>(varint())); }
  std::uint8_t fail() {
    ok_ = false;
    bytes_ = {};
    return 0;
  }

 private:
  std::uint64_t big_endian(unsigned width) {
    std::uint64_t v = 0;
    for (unsigned i = 0; i < width; ++i) v = v << 8 | u8();
    return ok_ ? v : 0;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace tally
