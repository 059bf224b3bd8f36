#pragma once

#include <cstdint>
#include <string_view>

namespace tally {

/// Reads MessagePack values one after another from bytes it does not own. Every read says whether
/// it succeeded; after a failure the position means nothing. Never reads outside the bytes, never
/// allocates, never recurses.
class msgpack_reader {
 public:
  explicit msgpack_reader(std::string_view bytes)
      : at_{reinterpret_cast<const std::uint8_t*>(bytes.data())}, end_{at_ + bytes.size()} {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  /// An integer of any width, not negative.
  bool number(std::uint64_t& v) {
    if (at_ == end_) return false;
    const auto tag = *at_++;
    if (tag < 0x80) {
      v = tag;
      return true;
    }
    return number_after(tag, v);
  }
  /// An integer of any width that fits in 64 bits.
  bool integer(std::int64_t& v) {
    if (at_ == end_) return false;
    const auto tag = *at_++;
    if (tag < 0x80 || tag >= 0xe0) {
      v = tag < 0x80 ? tag : tag - 0x100;
      return true;
    }
    return integer_after(tag, v);
  }
  bool text(std::string_view& v) {
    if (at_ == end_) return false;
    const auto tag = *at_++;
    if ((tag & 0xe0) == 0xa0) return body(tag & 0x1f, v);
    return sized_body(tag, 0xd9, v);
  }
  bool binary(std::string_view& v) {
    if (at_ == end_) return false;
    return sized_body(*at_++, 0xc4, v);
  }
  bool boolean(bool& v) {
    if (at_ == end_ || (*at_ != 0xc2 && *at_ != 0xc3)) return false;
    v = *at_++ == 0xc3;
    return true;
  }
  /// A floating point number of either width.
  bool real(double& v);
  /// Number of pairs that follow.
  bool map(std::uint32_t& pairs) { return container(0x80, 0xde, pairs); }
  /// Number of values that follow.
  bool array(std::uint32_t& values) { return container(0x90, 0xdc, values); }
  /// The bytes of one whole map, whatever is in it.
  bool whole_map(std::string_view& v);
  /// Passes over one value, however deep.
  bool skip();

 private:
  bool number_after(std::uint8_t tag, std::uint64_t& v);
  bool integer_after(std::uint8_t tag, std::int64_t& v);
  /// `tag8` is the tag of the form with one byte of length; those with 2 and 4 follow it.
  bool sized_body(std::uint8_t tag, std::uint8_t tag8, std::string_view& v);
  bool container(std::uint8_t fixed, std::uint8_t tag16, std::uint32_t& count);
  bool big_endian(unsigned width, std::uint64_t& v) {
    if (left() < width) return false;
    v = 0;
    for (unsigned i = 0; i < width; ++i) v = v << 8 | *at_++;
    return true;
  }
  bool body(std::size_t size, std::string_view& v) {
    if (left() < size) return false;
    v = {reinterpret_cast<const char*>(at_), size};
    at_ += size;
    return true;
  }
  bool pass(std::uint64_t size) {
    if (left() < size) return false;
    at_ += size;
    return true;
  }
  bool pass_scalar(std::uint8_t tag);

  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace tally
