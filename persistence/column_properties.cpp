#include <charconv>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>

#include "domain/msgpack_reader.hpp"
#include "persistence/column_block.hpp"

namespace tally::persistence {
namespace {

using json = nlohmann::ordered_json;

/// Decodes below this depth are not made of anything that the API takes.
constexpr unsigned depth_max = 64;

/// A number as JSON writes it: in the shortest way that reads back alike.
template <class Number>
std::string number_text(Number v) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
  return {text.data(), end};
}

std::string json_text(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

/// As domain/property_text.hpp writes it.
std::string real_text(double v) {
  constexpr double whole_max = 9'007'199'254'740'992.0;
  if (std::fabs(v) < whole_max && std::trunc(v) == v)
    return number_text(static_cast<std::int64_t>(v));
  return number_text(v);
}

/// A value that is neither list nor map; nothing where it is.
std::optional<std::string> scalar_text(msgpack_reader& in, bool bare) {
  // A failed read moves the reader, so each form is tried on a copy.
  const auto before = in;
  const auto again = [&]() -> msgpack_reader& { return in = before; };
  std::string_view text;
  if (again().text(text)) return bare ? std::string{text} : json_text(text);
  if (std::int64_t v = 0; again().integer(v)) return number_text(v);
  if (std::uint64_t v = 0; again().number(v)) return number_text(v);
  if (double v = 0; again().real(v)) return real_text(v);
  if (bool v = false; again().boolean(v)) return v ? "true" : "false";
  in = before;
  return std::nullopt;
}

/// Writes MessagePack values as JSON.
class json_writer {
 public:
  explicit json_writer(msgpack_reader& in) : in_{in} {}
  /// One value; `bare` leaves out the quotes of a text and the word null.
  bool value(std::string& out, bool bare, unsigned depth = 0);

 private:
  bool list(std::string& out, std::uint32_t count, unsigned depth);
  bool map(std::string& out, std::uint32_t count, unsigned depth);

  msgpack_reader& in_;
};

bool json_writer::list(std::string& out, std::uint32_t count, unsigned depth) {
  out += '[';
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    if (!value(out, false, depth + 1)) return false;
  }
  out += ']';
  return true;
}

bool json_writer::map(std::string& out, std::uint32_t count, unsigned depth) {
  out += '{';
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    std::string key;
    if (!value(key, true, depth + 1)) return false;
    out += json_text(key) + ':';
    if (!value(out, false, depth + 1)) return false;
  }
  out += '}';
  return true;
}

bool json_writer::value(std::string& out, bool bare, unsigned depth) {
  if (depth > depth_max) return false;
  if (const auto scalar = scalar_text(in_, bare)) {
    out += *scalar;
    return true;
  }
  const auto before = in_;
  std::uint32_t count = 0;
  if (in_.array(count)) return list(out, count, depth);
  in_ = before;
  if (in_.map(count)) return map(out, count, depth);
  in_ = before;
  if (!bare) out += "null";
  return in_.skip();
}

/// Calls f(key, value as text) for the wished pairs of a map.
template <class F>
void each_property(std::string_view map, const std::set<std::string>& keys, F&& f) {
  msgpack_reader in{map};
  std::uint32_t pairs = 0;
  if (!in.map(pairs)) return;
  for (; pairs > 0; --pairs) {
    std::string_view key;
    auto text_in = in;
    const bool named = text_in.text(key);
    if (named) in = text_in;
    if (!named && !in.skip()) return;
    const auto wished = named ? keys.find(std::string{key}) : keys.end();
    if (wished == keys.end()) {
      if (!in.skip()) return;
      continue;
    }
    std::string text;
    if (!json_writer{in}.value(text, true)) return;
    f(*wished, std::move(text));
  }
}

}  // namespace

void add_properties(event_columns& columns, const std::set<std::string>& keys) {
  if (keys.empty()) return;
  struct kept_texts {
    std::shared_ptr<const void> before;
    std::deque<std::string> texts;
  };
  auto keep = std::make_shared<kept_texts>();
  const auto& props = columns.text(text_field::props);
  struct property {
    word_table words;
    std::vector<std::uint32_t> codes;  // by word of `props`
  };
  std::map<std::string_view, property> found;
  for (const auto& key : keys)
    found[key].codes.assign(props.words.size(), found[key].words.code_of({}));
  for (std::size_t word = 0; word < props.words.size(); ++word)
    each_property(props.words[word], keys, [&](const std::string& key, std::string text) {
      auto& p = found[key];
      p.codes[word] = p.words.code_of(keep->texts.emplace_back(std::move(text)));
    });
  for (auto& [key, p] : found) {
    auto& column = columns.properties[std::string{key}];
    column.words = std::move(p.words.words());
    column.codes.resize(columns.rows);
    for (std::size_t row = 0; row < columns.rows; ++row)
      column.codes[row] = p.codes[props.codes[row]];
  }
  keep->before = std::move(columns.keep);
  columns.keep = std::move(keep);
}

}  // namespace tally::persistence
