#include "api/ingest_msgpack.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "api/json_text.hpp"
#include "domain/bytes.hpp"

namespace tally::api {
namespace {

class tree_reader {
 public:
  tree_reader(msgpack_input& in, json_tree& tree, std::string_view& objection)
      : in_{in}, tree_{tree}, objection_{objection} {}

  [[nodiscard]] json_fault fault() const { return fault_; }

  bool read(unsigned depth) {
    const auto begin = in_.at;
    const auto tag = static_cast<std::uint8_t>(take_uint(1));
    if (!ok()) return false;
    if (tag < 0x80) return add_number(static_cast<std::int64_t>(tag));
    if (tag < 0x90) return add_container(json_kind::object, begin, tag & 0x0f, depth);
    if (tag < 0xa0) return add_container(json_kind::array, begin, tag & 0x0f, depth);
    if (tag < 0xc0) return add_text(tag & 0x1f);
    if (tag >= 0xe0) return add_number(static_cast<std::int64_t>(static_cast<std::int8_t>(tag)));
    return read_wide(tag, begin, depth);
  }

 private:
  bool read_wide(std::uint8_t tag, std::size_t begin, unsigned depth) {
    switch (tag) {
      case 0xc0:
        return add({.kind = json_kind::null});
      case 0xc2:
      case 0xc3:
        return add({.kind = json_kind::boolean, .truth = tag == 0xc3});
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return skip(take_uint(1u << (tag - 0xc4)), "binary data is not accepted");
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return skip(take_uint(1u << (tag - 0xc7)) + 1, no_extension);
      case 0xca:
        return add_float();
      case 0xcb:
        return add_double();
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return add_number(take_uint(1u << (tag - 0xcc)));
      case 0xd0:
        return add_number<std::int64_t>(static_cast<std::int8_t>(take_uint(1)));
      case 0xd1:
        return add_number<std::int64_t>(static_cast<std::int16_t>(take_uint(2)));
      case 0xd2:
        return add_number<std::int64_t>(static_cast<std::int32_t>(take_uint(4)));
      case 0xd3:
        return add_number(static_cast<std::int64_t>(take_uint(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return add_text(take_uint(1u << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return add_container(json_kind::array, begin, take_uint(tag == 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return add_container(json_kind::object, begin, take_uint(tag == 0xde ? 2 : 4), depth);
      case 0xc1:
        return fail("a byte that MessagePack does not use");
      default:
        return skip((std::uint64_t{1} << (tag - 0xd4)) + 1, no_extension);
    }
  }

  static constexpr std::string_view no_extension = "extension types are not accepted";

  [[nodiscard]] bool ok() const { return fault_.reason.empty(); }

  bool fail(std::string_view reason) {
    if (ok()) fault_ = {in_.at, reason};
    return false;
  }

  std::string_view take(std::uint64_t size) {
    if (!ok() || size > in_.bytes.size() - in_.at) {
      fail("the body ends inside a value");
      return {};
    }
    const auto out = in_.bytes.substr(in_.at, static_cast<std::size_t>(size));
    in_.at += out.size();
    return out;
  }

  std::uint64_t take_uint(std::size_t width) {
    std::uint64_t v = 0;
    for (const char c : take(width)) v = v << 8 | static_cast<std::uint8_t>(c);
    return v;
  }

  bool add(const json_node& node) {
    if (!ok()) return false;
    tree_.nodes.push_back(node);
    return true;
  }

  template <class Number>
  bool add_number(Number value) {
    constexpr std::size_t room = 32;
    char* const out = tree_.texts.take(room);
    const auto end = std::to_chars(out, out + room, value).ptr;
    const auto size = static_cast<std::size_t>(end - out);
    tree_.texts.trim(room - size);
    return add({.text = {out, size}, .kind = json_kind::number});
  }

  template <class Real>
  bool add_real(Real value) {
    if (std::isfinite(value)) return add_number(value);
    return object_to("a number is not finite");
  }
  bool add_float() {
    return add_real(std::bit_cast<float>(static_cast<std::uint32_t>(take_uint(4))));
  }
  bool add_double() { return add_real(std::bit_cast<double>(take_uint(8))); }

  bool add_text(std::uint64_t size) {
    const auto text = take(size);
    if (find_bad_utf8(text) != text.size()) return object_to("a text is not UTF-8");
    return add({.text = text, .kind = json_kind::text});
  }

  bool skip(std::uint64_t size, std::string_view reason) {
    take(size);
    return object_to(reason);
  }

  bool object_to(std::string_view reason) {
    if (objection_.empty()) objection_ = reason;
    return add({.kind = json_kind::null});
  }

  bool add_container(json_kind kind, std::size_t begin, std::uint64_t count, unsigned depth) {
    if (depth > json_depth_max) return fail("nested too deeply");
    const auto self = tree_.nodes.size();
    if (!add({.count = static_cast<std::uint32_t>(count), .kind = kind})) return false;
    std::uint8_t inner = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (kind == json_kind::object && !read_key(depth)) return false;
      const auto child = tree_.nodes.size();
      if (!read(depth + 1)) return false;
      inner = std::max(inner, tree_.nodes[child].depth);
    }
    auto& node = tree_.nodes[self];
    node.text = in_.bytes.substr(begin, in_.at - begin);
    node.span = static_cast<std::uint32_t>(tree_.nodes.size() - self);
    node.depth = static_cast<std::uint8_t>(inner + 1);
    return true;
  }

  // A key is one node; what is no text gives way to an empty one.
  bool read_key(unsigned depth) {
    const auto key = tree_.nodes.size();
    if (!read(depth + 1)) return false;
    if (tree_.nodes[key].is(json_kind::text)) return true;
    if (objection_.empty()) objection_ = "a key is not text";
    tree_.nodes.resize(key);
    return add({.kind = json_kind::text});
  }

  msgpack_input& in_;
  json_tree& tree_;
  std::string_view& objection_;
  json_fault fault_;
};

}  // namespace

std::optional<std::uint32_t> read_array_header(msgpack_input& in) {
  byte_reader bytes{in.bytes.substr(in.at)};
  const auto tag = bytes.u8();
  std::uint32_t count = tag & 0x0fu;
  std::size_t size = 1;
  if (tag == 0xdc) {
    count = bytes.u16be();
    size = 3;
  } else if (tag == 0xdd) {
    count = bytes.u32be();
    size = 5;
  } else if ((tag & 0xf0) != 0x90) {
    return std::nullopt;
  }
  if (!bytes.ok()) return std::nullopt;
  in.at += size;
  return count;
}

std::optional<json_fault> read_msgpack(msgpack_input& in, json_tree& into,
                                       std::string_view& objection) {
  into.clear();
  objection = {};
  tree_reader reader{in, into, objection};
  if (reader.read(1)) return std::nullopt;
  return reader.fault();
}

}  // namespace tally::api
