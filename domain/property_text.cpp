#include "domain/property_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "domain/msgpack_reader.hpp"

namespace tally {
namespace {

template <class Number>
std::string_view written(Number v, std::string& room) {
  std::array<char, 64> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v).ptr;
  room.assign(digits.data(), end);
  return room;
}

std::string_view written_real(double v, std::string& room) {
  // Below this every whole number has a double of its own, and is written like an integer.
  constexpr double whole_max = 9'007'199'254'740'992.0;
  if (std::fabs(v) < whole_max && std::trunc(v) == v)
    return written(static_cast<std::int64_t>(v), room);
  return written(v, room);
}

std::string_view scalar_text(msgpack_reader at, std::string& room) {
  // A failed read moves the reader, so each form is tried on a copy.
  std::string_view text;
  if (auto r = at; r.text(text)) return text;
  std::int64_t integer = 0;
  if (auto r = at; r.integer(integer)) return written(integer, room);
  std::uint64_t large = 0;
  if (auto r = at; r.number(large)) return written(large, room);
  double real = 0;
  if (auto r = at; r.real(real)) return written_real(real, room);
  bool truth = false;
  if (auto r = at; r.boolean(truth)) return truth ? "true" : "false";
  return {};
}

}  // namespace

std::string_view property_text(std::string_view props, std::string_view key, std::string& room) {
  msgpack_reader reader{props};
  std::uint32_t pairs = 0;
  if (!reader.map(pairs)) return {};
  for (std::uint32_t i = 0; i < pairs; ++i) {
    std::string_view name;
    if (!reader.text(name)) return {};
    if (name == key) return scalar_text(reader, room);
    if (!reader.skip()) return {};
  }
  return {};
}

}  // namespace tally
