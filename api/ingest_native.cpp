#include "api/ingest_native.hpp"

#include "api/ingest_event.hpp"
#include "api/ingest_msgpack.hpp"
#include "api/ingest_native_event.hpp"
#include "api/json_tree.hpp"

namespace tally::api {
namespace {

constexpr std::string_view blank = " \t\r\n";
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

struct thread_memory {
  json_reader json;
  event_scratch scratch;
};

thread_memory& memory() {
  thread_local thread_memory m;
  return m;
}

// The lines of a text that are not blank, with their numbers from 1.
class line_cursor {
 public:
  explicit line_cursor(std::string_view text) : rest_{text} {}

  bool next() {
    while (!rest_.empty()) {
      const auto end = rest_.find('\n');
      line_ = rest_.substr(0, end);
      rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
      ++number_;
      if (!trim(line_).empty()) return true;
    }
    return false;
  }
  [[nodiscard]] std::string_view line() const { return line_; }
  [[nodiscard]] std::size_t number() const { return number_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_, line_;
  std::size_t number_ = 0;
};

class native_parser {
 public:
  native_parser(std::string_view body, const ingest_context& context)
      : body_{body}, context_{context}, memory_{memory()}, batch_{context} {
    batch_.reserve(body.size());
  }

  ingest_result parse() {
    if (body_.substr(0, byte_order_mark.size()) == byte_order_mark) {
      body_.remove_prefix(byte_order_mark.size());
    }
    const auto begin = body_.find_first_not_of(blank);
    if (begin == std::string_view::npos) {
      return unreadable_body{400, "empty_body", "the body holds no event"};
    }
    const auto first = static_cast<std::uint8_t>(body_[begin]);
    const bool map = (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
    const bool array = (first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd;
    if (map) return finish(read_msgpack_stream());
    if (array) return finish(read_msgpack_array());
    if (first == '[') return finish(read_json_array());
    return finish(read_objects());
  }

 private:
  using failure_of_body = std::optional<unreadable_body>;

  ingest_result finish(failure_of_body failed) {
    if (failed) return *std::move(failed);
    return batch_.take();
  }

  static unreadable_body bad_json(const json_fault& fault, std::string_view document) {
    return {400, "bad_json", describe(fault, document)};
  }

  failure_of_body too_many() const {
    return unreadable_body{
        413, "too_many_events",
        "the body holds more than " + std::to_string(context_.limits.events_max) + " events"};
  }

  [[nodiscard]] bool full() const { return batch_.next_index() >= context_.limits.events_max; }

  // --- JSON

  failure_of_body read_json_array() {
    bool overfull = false;
    const auto fault =
        memory_.json.read_array(body_, memory_.scratch.tree, [&](const json_node& element) {
          overfull = full();
          if (!overfull) take(element);
          return !overfull;
        });
    if (overfull) return too_many();
    if (fault) return bad_json(*fault, body_);
    return std::nullopt;
  }

  // One object, which may span lines, or an object a line. A first line that is an object by
  // itself means lines; so does a text that is no object but has another line that begins with {.
  failure_of_body read_objects() {
    line_cursor lines{body_};
    lines.next();
    const bool one_line = trim(lines.rest()).empty();
    const auto first = trim(lines.line());
    const bool closed = first.front() == '{' && first.back() == '}';
    auto& tree = memory_.scratch.tree;
    if (!one_line && closed && !memory_.json.read_object(lines.line(), tree)) return read_lines();
    const auto fault = memory_.json.read_object(body_, tree);
    if (!fault) {
      if (full()) return too_many();
      take(tree.nodes.front());
      return std::nullopt;
    }
    const bool more =
        !one_line && ("\n" + std::string{lines.rest()}).find("\n{") != std::string::npos;
    if (more) return read_lines();
    return bad_json(*fault, body_);
  }

  failure_of_body read_lines() {
    for (line_cursor lines{body_}; lines.next();) {
      if (full()) return too_many();
      auto& tree = memory_.scratch.tree;
      const auto fault = memory_.json.read_object(lines.line(), tree);
      if (!fault) {
        take(tree.nodes.front());
        continue;
      }
      const auto column = std::to_string(fault->byte + 1);
      batch_.reject({"bad_json", "line " + std::to_string(lines.number()) + ", column " + column +
                                     ": " + std::string{fault->reason}},
                    context_.merchant, trim(lines.line()));
    }
    return std::nullopt;
  }

  // --- MessagePack

  static std::string describe_byte(const json_fault& fault) {
    return "byte " + std::to_string(fault.byte) + ": " + std::string{fault.reason};
  }

  std::optional<json_fault> take_msgpack(msgpack_input& in) {
    std::string_view objection;
    const auto fault = read_msgpack(in, memory_.scratch.tree, objection);
    if (fault) return fault;
    const auto& node = memory_.scratch.tree.nodes.front();
    if (objection.empty()) {
      take(node);
    } else {
      batch_.reject({"bad_msgpack", std::string{objection}}, context_.merchant, node.text);
    }
    return std::nullopt;
  }

  failure_of_body read_msgpack_array() {
    msgpack_input in{body_, 0};
    const auto count = read_array_header(in);
    if (!count) return unreadable_body{400, "bad_msgpack", "byte 0: the array's header is torn"};
    if (*count > context_.limits.events_max) return too_many();
    for (std::uint32_t i = 0; i < *count; ++i) {
      if (const auto fault = take_msgpack(in)) {
        return unreadable_body{400, "bad_msgpack", describe_byte(*fault)};
      }
    }
    if (in.at_end()) return std::nullopt;
    return unreadable_body{400, "bad_msgpack",
                           "byte " + std::to_string(in.at) + ": something follows the array"};
  }

  failure_of_body read_msgpack_stream() {
    msgpack_input in{body_, 0};
    while (!in.at_end()) {
      if (full()) return too_many();
      const auto begin = in.at;
      const auto fault = take_msgpack(in);
      if (!fault) continue;
      if (begin == 0) return unreadable_body{400, "bad_msgpack", describe_byte(*fault)};
      batch_.reject({"bad_msgpack", describe_byte(*fault) + "; nothing after it was read"},
                    context_.merchant, body_.substr(begin));
      break;
    }
    return std::nullopt;
  }

  // --- one event

  void take(const json_node& node) {
    refusal why;
    auto& scratch = memory_.scratch;
    if (read_native_event(node, context_, batch_.next_index(), scratch, why)) {
      batch_.accept(scratch);
    } else {
      const std::string_view kept =
          scratch.refused_text.empty() ? node.text : std::string_view{scratch.refused_text};
      batch_.reject(std::move(why), scratch.e.merchant, kept, std::move(scratch.refused_id));
    }
  }

  std::string_view body_;
  const ingest_context& context_;
  thread_memory& memory_;
  batch_builder batch_;
};

}  // namespace

ingest_result parse_native(std::string& body, const ingest_context& context) {
  body.reserve(body.size() + json_reader::padding);
  return native_parser{body, context}.parse();
}

}  // namespace tally::api
