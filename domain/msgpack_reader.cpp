#include "domain/msgpack_reader.hpp"

#include <bit>
#include <limits>

namespace tally {

bool msgpack_reader::number_after(std::uint8_t tag, std::uint64_t& v) {
  if (tag >= 0xcc && tag <= 0xcf) return big_endian(1U << (tag - 0xcc), v);
  std::int64_t with_sign = 0;
  if (tag < 0xd0 || tag > 0xd3 || !integer_after(tag, with_sign) || with_sign < 0) return false;
  v = static_cast<std::uint64_t>(with_sign);
  return true;
}

bool msgpack_reader::integer_after(std::uint8_t tag, std::int64_t& v) {
  std::uint64_t bits = 0;
  if (tag >= 0xcc && tag <= 0xcf) {
    if (!big_endian(1U << (tag - 0xcc), bits)) return false;
    v = static_cast<std::int64_t>(bits);
    return bits <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  }
  if (tag < 0xd0 || tag > 0xd3) return false;
  const unsigned width = 1U << (tag - 0xd0);
  if (!big_endian(width, bits)) return false;
  const unsigned unused = 64 - 8 * width;
  v = static_cast<std::int64_t>(bits << unused) >> unused;
  return true;
}

bool msgpack_reader::real(double& v) {
  if (at_ == end_ || (*at_ != 0xca && *at_ != 0xcb)) return false;
  const unsigned width = *at_++ == 0xca ? 4 : 8;
  std::uint64_t bits = 0;
  if (!big_endian(width, bits)) return false;
  v = width == 4 ? std::bit_cast<float>(static_cast<std::uint32_t>(bits))
                 : std::bit_cast<double>(bits);
  return true;
}

bool msgpack_reader::sized_body(std::uint8_t tag, std::uint8_t tag8, std::string_view& v) {
  std::uint64_t size = 0;
  if (tag < tag8 || tag > tag8 + 2) return false;
  return big_endian(1U << (tag - tag8), size) && body(size, v);
}

bool msgpack_reader::container(std::uint8_t fixed, std::uint8_t tag16, std::uint32_t& count) {
  if (at_ == end_) return false;
  const auto tag = *at_++;
  if ((tag & 0xf0) == fixed) {
    count = tag & 0x0f;
    return true;
  }
  std::uint64_t wide = 0;
  if (tag < tag16 || tag > tag16 + 1) return false;
  if (!big_endian(2U << (tag - tag16), wide)) return false;
  count = static_cast<std::uint32_t>(wide);
  return true;
}

bool msgpack_reader::whole_map(std::string_view& v) {
  if (at_ == end_) return false;
  const bool is_map = (*at_ & 0xf0) == 0x80 || *at_ == 0xde || *at_ == 0xdf;
  const auto* begin = at_;
  if (!is_map || !skip()) return false;
  v = {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(at_ - begin)};
  return true;
}

bool msgpack_reader::skip() {
  // Counting the values still to come needs no stack, so depth costs nothing.
  for (std::uint64_t open = 1; open > 0; --open) {
    if (open > left()) return false;
    const auto tag = *at_;
    std::uint32_t count = 0;
    if ((tag & 0xf0) == 0x80 || tag == 0xde || tag == 0xdf) {
      if (!map(count)) return false;
      open += 2 * std::uint64_t{count};
    } else if ((tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd) {
      if (!array(count)) return false;
      open += count;
    } else {
      ++at_;
      if (!pass_scalar(tag)) return false;
    }
  }
  return true;
}

bool msgpack_reader::pass_scalar(std::uint8_t tag) {
  std::string_view ignored;
  if (tag < 0x80 || tag >= 0xe0) return true;
  if ((tag & 0xe0) == 0xa0) return body(tag & 0x1f, ignored);
  if (tag == 0xc0 || tag == 0xc2 || tag == 0xc3) return true;
  if (tag >= 0xc4 && tag <= 0xc6) return sized_body(tag, 0xc4, ignored);
  if (tag >= 0xd9 && tag <= 0xdb) return sized_body(tag, 0xd9, ignored);
  if (tag == 0xca || tag == 0xcb) return pass(tag == 0xca ? 4 : 8);
  if (tag >= 0xcc && tag <= 0xcf) return pass(1ULL << (tag - 0xcc));
  if (tag >= 0xd0 && tag <= 0xd3) return pass(1ULL << (tag - 0xd0));
  if (tag >= 0xd4 && tag <= 0xd8) return pass(1 + (1ULL << (tag - 0xd4)));
  if (tag >= 0xc7 && tag <= 0xc9) {
    std::uint64_t size = 0;
    return big_endian(1U << (tag - 0xc7), size) && pass(size + 1);
  }
  return false;  // 0xc1, which no writer may use
}

}  // namespace tally
