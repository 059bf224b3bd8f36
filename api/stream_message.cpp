#include "api/stream_message.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "api/json_text.hpp"
#include "domain/msgpack_reader.hpp"

namespace tally::api {
namespace {

constexpr std::string_view space = " \t\r\n";
constexpr std::size_t text_bytes_max = 512;  // of a key
constexpr std::size_t members_max = 4;

/// A member of an envelope: its name, and the bytes of its value.
struct member {
  std::string_view name, value;
};
using members = std::optional<std::vector<member>>;  // nothing: no envelope

bool is_member(std::string_view name) {
  return name == "seq" || name == "events" || name == "key" || name == "idempotency_key";
}

/// Finds where JSON values end, without looking at what they are.
class json_scanner {
 public:
  explicit json_scanner(std::string_view text) : rest_{text} {}

  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    skip_space();
    return rest_.empty();
  }
  /// One value with its quotes or brackets.
  bool value(std::string_view& v) {
    skip_space();
    if (rest_.empty()) return false;
    const auto end = rest_.front() == '"'                           ? string_end(0)
                     : rest_.front() == '{' || rest_.front() == '[' ? nest_end()
                                                                    : scalar_end();
    if (end == std::string_view::npos) return false;
    v = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return !v.empty();
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_not_of(space))); }
  [[nodiscard]] std::size_t string_end(std::size_t begin) const {
    for (auto i = begin + 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\')
        ++i;
      else if (rest_[i] == '"')
        return i + 1;
    }
    return std::string_view::npos;
  }
  [[nodiscard]] std::size_t nest_end() const {
    std::size_t depth = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (c == '"') {
        const auto end = string_end(i);
        if (end == std::string_view::npos) return end;
        i = end - 1;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (--depth == 0) return i + 1;
      }
    }
    return std::string_view::npos;
  }
  [[nodiscard]] std::size_t scalar_end() const {
    return std::min(rest_.size(), rest_.find_first_of(",}] \t\r\n"));
  }

  std::string_view rest_;
};

members json_members(std::string_view message) {
  json_scanner in{message};
  std::vector<member> found;
  if (!in.take('{')) return std::nullopt;
  do {
    member m;
    if (!in.value(m.name) || m.name.size() < 2 || m.name.front() != '"' || !in.take(':') ||
        !in.value(m.value))
      return std::nullopt;
    m.name = m.name.substr(1, m.name.size() - 2);
    if (!is_member(m.name) || found.size() > members_max) return std::nullopt;
    found.push_back(m);
  } while (in.take(','));
  if (!in.take('}') || !in.at_end()) return std::nullopt;
  return found;
}

members msgpack_members(std::string_view message) {
  msgpack_reader in{message};
  std::uint32_t pairs = 0;
  if (!in.map(pairs) || pairs == 0 || pairs > members_max) return std::nullopt;
  std::vector<member> found;
  for (std::uint32_t i = 0; i < pairs; ++i) {
    member m;
    if (!in.text(m.name) || !is_member(m.name)) return std::nullopt;
    const auto begin = message.size() - in.left();
    if (!in.skip()) return std::nullopt;
    m.value = message.substr(begin, message.size() - in.left() - begin);
    found.push_back(m);
  }
  if (!in.at_end()) return std::nullopt;
  return found;
}

std::optional<std::uint64_t> json_number(std::string_view value) {
  std::uint64_t n = 0;
  const auto* const end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, n);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return n;
}

std::optional<std::string> json_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.size() > text_bytes_max)
    return std::nullopt;
  const auto inside = value.substr(1, value.size() - 2);
  std::string text(inside.size(), '\0');
  const auto end = unescape_json(inside, text.data());
  if (!end) return std::nullopt;
  text.resize(static_cast<std::size_t>(*end - text.data()));
  return text;
}

std::optional<std::uint64_t> msgpack_number(std::string_view value) {
  std::uint64_t n = 0;
  if (!msgpack_reader{value}.number(n)) return std::nullopt;
  return n;
}

std::optional<std::string> msgpack_string(std::string_view value) {
  std::string_view text;
  if (!msgpack_reader{value}.text(text) || text.size() > text_bytes_max) return std::nullopt;
  return std::string{text};
}

}  // namespace

result<stream_message> read_stream_message(std::string&& message) {
  const auto begin = std::min(message.size(), message.find_first_not_of(space));
  const bool json = begin < message.size() && message[begin] == '{';
  const auto found = json ? json_members(message) : msgpack_members(message);
  stream_message out;
  if (!found) {
    out.body = std::move(message);
    return out;
  }
  out.body = "[]";  // no events are still a question whether the key is good
  for (std::size_t i = 0; i < found->size(); ++i) {
    const auto& m = (*found)[i];
    for (std::size_t before = 0; before < i; ++before)
      if ((*found)[before].name == m.name)
        return failure{errc::bad_request, std::string{m.name} + ": is there twice"};
    if (m.name == "events") {
      out.body = m.value;
    } else if (m.name == "seq") {
      out.seq = json ? json_number(m.value) : msgpack_number(m.value);
      if (!out.seq || *out.seq > stream_seq_max)
        return failure{errc::bad_request, "seq: not an integer from 0 to 9007199254740991"};
    } else {
      const auto text = json ? json_string(m.value) : msgpack_string(m.value);
      if (!text || text->empty())
        return failure{errc::bad_request,
                       std::string{m.name} + ": not a text of at most 512 bytes"};
      (m.name == "key" ? out.key : out.idempotency_key) = *text;
    }
  }
  return out;
}

}  // namespace tally::api
