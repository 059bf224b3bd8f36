#include "api/ingest_props.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "domain/bytes.hpp"

namespace tally::api {
namespace {

void pack_int(std::string& out, std::int64_t v) {
  byte_writer w{out};
  const auto u = static_cast<std::uint64_t>(v);
  if (v >= -32) {
    w.u8(static_cast<std::uint8_t>(v));
  } else if (v >= INT8_MIN) {
    w.u8(0xd0);
    w.u8(static_cast<std::uint8_t>(v));
  } else if (v >= INT16_MIN) {
    w.u8(0xd1);
    w.u16be(static_cast<std::uint16_t>(v));
  } else if (v >= INT32_MIN) {
    w.u8(0xd2);
    w.u32be(static_cast<std::uint32_t>(v));
  } else {
    w.u8(0xd3);
    w.u64be(u);
  }
}

void pack_uint(std::string& out, std::uint64_t v) {
  byte_writer w{out};
  if (v < 0x80) {
    w.u8(static_cast<std::uint8_t>(v));
  } else if (v <= UINT8_MAX) {
    w.u8(0xcc);
    w.u8(static_cast<std::uint8_t>(v));
  } else if (v <= UINT16_MAX) {
    w.u8(0xcd);
    w.u16be(static_cast<std::uint16_t>(v));
  } else if (v <= UINT32_MAX) {
    w.u8(0xce);
    w.u32be(static_cast<std::uint32_t>(v));
  } else {
    w.u8(0xcf);
    w.u64be(v);
  }
}

// Header of a map or array: `fix` with up to 15 entries, else `wide` (16 bits) or the byte after.
void pack_header(std::string& out, std::size_t count, std::uint8_t fix, std::uint8_t wide) {
  byte_writer w{out};
  if (count < 16) {
    w.u8(static_cast<std::uint8_t>(fix | count));
  } else if (count <= UINT16_MAX) {
    w.u8(wide);
    w.u16be(static_cast<std::uint16_t>(count));
  } else {
    w.u8(static_cast<std::uint8_t>(wide + 1));
    w.u32be(static_cast<std::uint32_t>(count));
  }
}

// Significant digits without zeros at the ends, and the power of ten of the last one.
struct decimal_shape {
  std::string digits;
  long long power = 0;
  bool negative = false;
  bool operator==(const decimal_shape&) const = default;
};

std::optional<decimal_shape> shape_of(std::string_view text) {
  decimal_shape shape;
  std::size_t i = 0;
  shape.negative = text.front() == '-';
  if (shape.negative) ++i;
  bool point = false;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    if (point) --shape.power;
    if (!shape.digits.empty() || text[i] != '0') shape.digits += text[i];
  }
  if (i < text.size()) {
    auto exponent = text.substr(i + 1);
    if (exponent.front() == '+') exponent.remove_prefix(1);
    long long power = 0;
    const auto* const end = exponent.data() + exponent.size();
    if (std::from_chars(exponent.data(), end, power).ec != std::errc{}) return std::nullopt;
    if (power > 1'000'000 || power < -1'000'000) return std::nullopt;
    shape.power += power;
  }
  while (!shape.digits.empty() && shape.digits.back() == '0') {
    shape.digits.pop_back();
    ++shape.power;
  }
  if (shape.digits.empty()) shape = {};
  return shape;
}

std::optional<double> exact_double(std::string_view text) {
  double value = 0;
  const auto* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ec != std::errc{}) return std::nullopt;
  if (!std::isfinite(value)) return std::nullopt;
  // Up to 15 significant digits survive the way through a double and back.
  constexpr std::size_t safe_bytes = 16;
  if (text.size() <= safe_bytes && text.find_first_of("eE") == std::string_view::npos) return value;
  std::array<char, 64> buffer{};
  const auto shortest = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  const std::string_view back{buffer.data(),
                              static_cast<std::size_t>(shortest.ptr - buffer.data())};
  const auto given = shape_of(text);
  return given && given == shape_of(back) ? std::optional{value} : std::nullopt;
}

void pack_number(std::string& out, std::string_view text) {
  const auto* const end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto r = std::from_chars(text.data(), end, integer);
      r.ptr == end && r.ec == std::errc{})
    return integer < 0 ? pack_int(out, integer)
                       : pack_uint(out, static_cast<std::uint64_t>(integer));
  std::uint64_t large = 0;
  if (const auto r = std::from_chars(text.data(), end, large); r.ptr == end && r.ec == std::errc{})
    return pack_uint(out, large);
  const auto real = exact_double(text);
  if (!real) return pack_text(out, text);
  byte_writer w{out};
  w.u8(0xcb);
  w.u64be(std::bit_cast<std::uint64_t>(*real));
}

}  // namespace

void pack_map(std::string& out, std::size_t fields) {
  pack_header(out, fields, 0x80, 0xde);
}

void pack_text(std::string& out, std::string_view text) {
  byte_writer w{out};
  if (text.size() < 32) {
    w.u8(static_cast<std::uint8_t>(0xa0 | text.size()));
  } else if (text.size() <= UINT8_MAX) {
    w.u8(0xd9);
    w.u8(static_cast<std::uint8_t>(text.size()));
  } else if (text.size() <= UINT16_MAX) {
    w.u8(0xda);
    w.u16be(static_cast<std::uint16_t>(text.size()));
  } else {
    w.u8(0xdb);
    w.u32be(static_cast<std::uint32_t>(text.size()));
  }
  w.raw(text);
}

void pack_value(std::string& out, const json_node& value) {
  switch (value.kind) {
    case json_kind::null:
      out += '\xc0';
      return;
    case json_kind::boolean:
      out += value.truth ? '\xc3' : '\xc2';
      return;
    case json_kind::number:
      pack_number(out, value.text);
      return;
    case json_kind::text:
      pack_text(out, value.text);
      return;
    case json_kind::array:
      pack_header(out, value.count, 0x90, 0xdc);
      for (const auto& element : json_elements(value)) pack_value(out, element);
      return;
    case json_kind::object:
      pack_map(out, value.count);
      for (const auto& [key, field] : json_fields(value)) {
        pack_text(out, key);
        pack_value(out, field);
      }
      return;
  }
}

void pack_fields(std::string& out, const field_list& fields) {
  pack_map(out, fields.size());
  for (const auto& [key, value] : fields) {
    pack_text(out, key);
    pack_value(out, *value);
  }
}

}  // namespace tally::api
