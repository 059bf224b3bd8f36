#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tally::api {

/// Longer lines are refused.
constexpr std::size_t import_line_bytes_max = 4U << 20;

/// Cuts a stream into lines without their line ends. `on_line(text, number, torn)`: `torn` where
/// the file ended, or the limit was reached, before the line did.
class line_cutter {
 public:
  template <class OnLine>
  void feed(std::string_view bytes, const OnLine& on_line) {
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      const auto part = bytes.substr(0, end);
      if (held_.size() < import_line_bytes_max) held_.append(part);
      if (end == std::string_view::npos) return;
      give(held_.size() >= import_line_bytes_max, on_line);
      bytes.remove_prefix(end + 1);
    }
  }
  template <class OnLine>
  void finish(const OnLine& on_line) {
    if (!held_.empty()) give(held_.size() >= import_line_bytes_max, on_line);
  }

 private:
  template <class OnLine>
  void give(bool too_long, const OnLine& on_line) {
    ++number_;
    if (held_.ends_with('\r')) held_.pop_back();
    if (!held_.empty()) on_line(std::string_view{held_}, number_, too_long);
    held_.clear();
  }

  std::string held_;
  std::uint64_t number_ = 0;
};

/// How often a line came, by a hash of its text.
struct line_count {
  std::uint64_t hash = 0;
  std::uint32_t count = 0;
};

/// Makes ids of lines. Remembers the last 2 to 4 million different lines; of equal ones further
/// apart the later gets the id of the first, and counts as its repeat.
class line_ids {
 public:
  /// 32 hex digits of the text's hash, and "-2" and so on from the second equal one.
  [[nodiscard]] std::string next(std::string_view text);

  /// The last 4,096 lines with their counts, each once. Where a log goes on in another file,
  /// remember() of them lets equal lines on both sides of the border have different ids.
  [[nodiscard]] std::vector<line_count> last() const;
  void remember(const std::vector<line_count>& lines);

 private:
  void note(std::uint64_t hash);

  std::unordered_map<std::uint64_t, std::uint32_t> recent_, older_;
  std::deque<std::uint64_t> last_;  // hashes, oldest first
};

[[nodiscard]] std::string hash_text(std::string_view text);

/// Appends `,"name":"text"` with the escapes of JSON; nothing where the text is empty. Bytes that
/// are no UTF-8 become U+FFFD.
void append_field(std::string& json, std::string_view name, std::string_view text);

}  // namespace tally::api
