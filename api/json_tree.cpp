#include "api/json_tree.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "api/json_text.hpp"

namespace tally::api {
namespace {

namespace on_demand = simdjson::ondemand;

constexpr std::string_view unexpected = "unexpected character or end";
constexpr std::size_t arena_block_bytes = 65'536;

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Where the first pass over the document stumbled: simdjson does not tell.
json_fault find_text_fault(std::string_view document) {
  if (const auto bad = find_bad_utf8(document); bad != document.size()) return {bad, "not UTF-8"};
  std::size_t opened = document.size();
  for (std::size_t i = 0; i < document.size(); ++i) {
    const bool inside = opened != document.size();
    if (document[i] == '"') {
      opened = inside ? document.size() : i;
    } else if (inside && document[i] == '\\') {
      ++i;
    } else if (inside && static_cast<unsigned char>(document[i]) < 0x20) {
      return {i, "control character in a text"};
    }
  }
  if (opened != document.size()) return {opened, "text without an end"};
  return {document.size(), unexpected};
}

// A document whose first or last character is wrong.
json_fault find_root_fault(std::string_view document, char opening) {
  const auto begin = document.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || document[begin] != opening) {
    return {begin == std::string_view::npos ? 0 : begin, unexpected};
  }
  return {trim_end(document).size() - 1, "the document does not end here as it began"};
}

// Walks a document once and writes down what it sees.
class tree_builder {
 public:
  tree_builder(std::string_view source, on_demand::document& document, json_tree& tree)
      : source_{source}, document_{document}, tree_{tree} {}

  [[nodiscard]] json_fault fault() const { return fault_; }

  bool add(on_demand::value value, unsigned depth) {
    const auto token = trim_end(value.raw_json_token());
    if (token.empty()) return fail_at(token.data(), unexpected);
    switch (token.front()) {
      case '{': {
        on_demand::object object;
        if (value.get_object().get(object)) return fail();
        return add_object(object, token.data(), depth);
      }
      case '[': {
        on_demand::array array;
        if (value.get_array().get(array)) return fail();
        return add_array(array, token.data(), depth);
      }
      case '"':
        return add_text(token);
      case 't':
      case 'f':
      case 'n':
        return add_word(token);
      default:
        if (!is_json_number(token)) return fail_at(token.data(), unexpected);
        tree_.nodes.push_back({.text = token, .kind = json_kind::number});
        return true;
    }
  }

  bool add_object(on_demand::object object, const char* begin, unsigned depth) {
    if (depth > json_depth_max) return fail_at(begin, "nested too deeply");
    const auto self = tree_.nodes.size();
    tree_.nodes.push_back({.kind = json_kind::object});
    std::uint32_t count = 0;
    std::uint8_t inner = 0;
    for (auto entry : object) {
      if (entry.error()) return fail();
      on_demand::field field = entry.value_unsafe();
      if (!add_key(field.key().raw())) return fail();
      const auto child = tree_.nodes.size();
      if (!add(field.value(), depth + 1)) return false;
      inner = std::max(inner, tree_.nodes[child].depth);
      ++count;
    }
    return close(self, begin, count, inner);
  }

  bool add_array(on_demand::array array, const char* begin, unsigned depth) {
    if (depth > json_depth_max) return fail_at(begin, "nested too deeply");
    const auto self = tree_.nodes.size();
    tree_.nodes.push_back({.kind = json_kind::array});
    std::uint32_t count = 0;
    std::uint8_t inner = 0;
    for (auto entry : array) {
      if (entry.error()) return fail();
      const auto child = tree_.nodes.size();
      if (!add(entry.value_unsafe(), depth + 1)) return false;
      inner = std::max(inner, tree_.nodes[child].depth);
      ++count;
    }
    return close(self, begin, count, inner);
  }

  // True where nothing follows the root.
  bool at_end() {
    const char* rest = nullptr;
    if (document_.current_location().get(rest)) return true;
    return fail_at(rest, "something follows the end of the document");
  }

  bool fail() {
    if (!fault_.reason.empty()) return false;
    const char* at = nullptr;
    if (document_.current_location().get(at)) at = source_.data() + source_.size();
    return fail_at(at, unexpected);
  }

 private:
  bool fail_at(const char* at, std::string_view reason) {
    const auto* const end = source_.data() + source_.size();
    if (at < source_.data() || at > end) at = end;
    fault_ = {static_cast<std::size_t>(at - source_.data()), reason};
    return false;
  }

  bool close(std::size_t self, const char* begin, std::uint32_t count, std::uint8_t inner) {
    const char* next = nullptr;
    if (document_.current_location().get(next)) next = source_.data() + source_.size();
    auto& node = tree_.nodes[self];
    node.text = trim_end({begin, static_cast<std::size_t>(next - begin)});
    node.count = count;
    node.span = static_cast<std::uint32_t>(tree_.nodes.size() - self);
    node.depth = static_cast<std::uint8_t>(inner + 1);
    return true;
  }

  // The first pass has checked that every text ends inside the document.
  bool add_key(const char* begin) {
    const char* end = begin;
    while (*end != '"' && *end != '\\') ++end;
    if (*end == '"') return add_plain({begin, static_cast<std::size_t>(end - begin)});
    while (*end != '"') end += *end == '\\' ? 2 : 1;
    return add_escaped({begin, static_cast<std::size_t>(end - begin)});
  }

  bool add_text(std::string_view token) {
    if (token.size() < 2 || token.back() != '"') return fail_at(token.data(), unexpected);
    const auto inside = token.substr(1, token.size() - 2);
    if (std::memchr(inside.data(), '\\', inside.size()) == nullptr) return add_plain(inside);
    return add_escaped(inside);
  }

  bool add_plain(std::string_view text) {
    tree_.nodes.push_back({.text = text, .kind = json_kind::text});
    return true;
  }

  bool add_escaped(std::string_view text) {
    char* const out = tree_.texts.take(text.size());
    const auto end = unescape_json(text, out);
    if (!end) return fail_at(text.data(), "bad escape in a text");
    const auto size = static_cast<std::size_t>(*end - out);
    tree_.texts.trim(text.size() - size);
    return add_plain({out, size});
  }

  bool add_word(std::string_view token) {
    json_node node{.text = token};
    if (token == "true" || token == "false") {
      node.kind = json_kind::boolean;
      node.truth = token == "true";
    } else if (token != "null") {
      return fail_at(token.data(), unexpected);
    }
    tree_.nodes.push_back(node);
    return true;
  }

  std::string_view source_;
  on_demand::document& document_;
  json_tree& tree_;
  json_fault fault_;
};

}  // namespace

const json_node* find_field(const json_node* object, std::string_view key) {
  const json_node* found = nullptr;
  if (object == nullptr) return found;
  for (const auto& [name, value] : json_fields(*object)) {
    if (name == key) found = &value;
  }
  return found;
}

char* text_arena::take(std::size_t size) {
  if (blocks_.empty() || blocks_.back().size - used_ < size) {
    const auto block_size = std::max(size, arena_block_bytes);
    blocks_.push_back({std::make_unique<char[]>(block_size), block_size});
    used_ = 0;
  }
  char* const at = blocks_.back().bytes.get() + used_;
  used_ += size;
  return at;
}

std::string_view text_arena::keep(std::string_view text) {
  char* const at = take(text.size());
  std::copy(text.begin(), text.end(), at);
  return {at, text.size()};
}

void text_arena::clear() {
  if (blocks_.size() > 1) blocks_.resize(1);
  if (!blocks_.empty() && blocks_.front().size > arena_block_bytes) blocks_.clear();
  used_ = 0;
}

std::string describe(const json_fault& fault, std::string_view document) {
  const auto before = document.substr(0, fault.byte);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " +
         std::to_string(fault.byte - line_begin + 1) + ": " + std::string{fault.reason};
}

struct json_reader::impl {
  on_demand::parser parser;

  simdjson::error_code open(std::string_view text, on_demand::document& document) {
    return parser.iterate(text.data(), text.size(), text.size() + padding).get(document);
  }
};

static_assert(json_reader::padding >= simdjson::SIMDJSON_PADDING);

json_reader::json_reader() : impl_{std::make_unique<impl>()} {}
json_reader::~json_reader() = default;

std::optional<json_fault> json_reader::read_object(std::string_view document, json_tree& into) {
  into.clear();
  on_demand::document opened;
  if (impl_->open(document, opened)) return find_text_fault(document);
  tree_builder builder{document, opened, into};
  on_demand::object object;
  if (opened.get_object().get(object)) return find_root_fault(document, '{');
  const char* const begin = document.data() + document.find('{');
  if (!builder.add_object(object, begin, 1) || !builder.at_end()) return builder.fault();
  return std::nullopt;
}

std::optional<json_fault> json_reader::read_array(std::string_view document, json_tree& into,
                                                  const std::function<bool(const json_node&)>& f) {
  into.clear();
  on_demand::document opened;
  if (impl_->open(document, opened)) return find_text_fault(document);
  tree_builder builder{document, opened, into};
  on_demand::array array;
  if (opened.get_array().get(array)) return find_root_fault(document, '[');
  for (auto entry : array) {
    into.clear();
    if (entry.error()) {
      builder.fail();
      return builder.fault();
    }
    if (!builder.add(entry.value_unsafe(), 2)) return builder.fault();
    if (!f(into.nodes.front())) return std::nullopt;
  }
  if (!builder.at_end()) return builder.fault();
  return std::nullopt;
}

}  // namespace tally::api
