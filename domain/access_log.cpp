#include "domain/access_log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>

namespace tally {

namespace {

/// Walks through one line. Reading past its end marks it as torn.
class cursor {
 public:
  explicit cursor(std::string_view rest) : rest_{rest} {}

  [[nodiscard]] log_fault fault() const { return fault_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  void expect(char c) {
    if (fault_ != log_fault::none) return;
    if (rest_.empty()) return fail(log_fault::torn_line);
    if (rest_.front() != c) return fail(log_fault::bad_line);
    rest_.remove_prefix(1);
  }
  /// Up to, not including, `end`; the last word of a line may end with it.
  std::string_view until(char end, bool may_end_line = false) {
    if (fault_ != log_fault::none) return {};
    const auto size = std::min(rest_.find(end), rest_.size());
    const bool ends_line = size == rest_.size();
    if (ends_line && !may_end_line) {
      fail(log_fault::torn_line);
      return {};
    }
    const auto word = rest_.substr(0, size);
    if (word.empty()) fail(ends_line ? log_fault::torn_line : log_fault::bad_line);
    rest_.remove_prefix(size);
    return word;
  }
  std::string quoted() {
    std::string out;
    expect('"');
    while (fault_ == log_fault::none) {
      if (rest_.empty()) {
        fail(log_fault::torn_line);
        break;
      }
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') break;
      // Servers escape only quotes and backslashes so; "\x16" stays as it stands.
      const bool escapes = c == '\\' && (rest_.starts_with('"') || rest_.starts_with('\\'));
      out += escapes ? rest_.front() : c;
      if (escapes) rest_.remove_prefix(1);
    }
    return out;
  }
  void fail(log_fault why) {
    if (fault_ == log_fault::none) fault_ = why;
  }

 private:
  std::string_view rest_;
  log_fault fault_ = log_fault::none;
};

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

unsigned month_of(std::string_view text) {
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto at = std::find(months.begin(), months.end(), text);
  return at == months.end() ? 0 : static_cast<unsigned>(at - months.begin()) + 1;
}

/// "17/May/2015:10:05:03 +0000"
std::optional<event_time> time_of(std::string_view text) {
  using namespace std::chrono;
  const auto two = [&](std::size_t at) { return number<int>(text.substr(at, 2)).value_or(-1); };
  if (text.size() != 26 || text[2] != '/' || text[6] != '/' || text[11] != ':' || text[14] != ':' ||
      text[17] != ':' || text[20] != ' ') {
    return std::nullopt;
  }
  const auto years = number<int>(text.substr(7, 4));
  const auto month_number = month_of(text.substr(3, 3));
  const int day_number = two(0), h = two(12), m = two(15), s = two(18);
  const int zone_hours = two(22), zone_minutes = two(24);
  const bool signed_zone = text[21] == '+' || text[21] == '-';
  if (!years || day_number < 1 || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60) {
    return std::nullopt;
  }
  if (!signed_zone || zone_hours < 0 || zone_minutes < 0 || zone_minutes > 59) return std::nullopt;
  const year_month_day date{year{*years}, month{month_number},
                            day{static_cast<unsigned>(day_number)}};
  if (!date.ok()) return std::nullopt;
  const auto offset = (hours{zone_hours} + minutes{zone_minutes}) * (text[21] == '-' ? -1 : 1);
  return event_time{sys_days{date} + hours{h} + minutes{m} + seconds{s} - offset};
}

void split_request(const std::string& request, access_line& into) {
  const auto first = request.find(' '), last = request.rfind(' ');
  const bool usual = first != std::string::npos && first != 0 && last > first + 1 &&
                     request.compare(last + 1, 5, "HTTP/") == 0;
  if (!usual) {
    into.target = request == "-" ? "" : request;
    return;
  }
  into.method = request.substr(0, first);
  into.target = request.substr(first + 1, last - first - 1);
  into.protocol = request.substr(last + 1);
}

std::string or_empty(std::string_view text) {
  return text == "-" ? "" : std::string{text};
}

}  // namespace

std::string_view to_string(log_fault fault) {
  switch (fault) {
    case log_fault::none:
      return "none";
    case log_fault::torn_line:
      return "torn_line";
    case log_fault::bad_line:
      return "bad_line";
    case log_fault::bad_time:
      return "bad_time";
    case log_fault::bad_status:
      return "bad_status";
  }
  return "unknown";
}

log_fault parse_access_line(std::string_view text, log_form form, access_line& into) {
  into = {};
  cursor in{text};
  into.address = in.until(' ');
  in.expect(' ');
  in.until(' ');  // the ident nobody uses
  in.expect(' ');
  into.user = or_empty(in.until(' '));
  in.expect(' ');
  in.expect('[');
  const auto time = in.until(']');
  in.expect(']');
  in.expect(' ');
  const auto request = in.quoted();
  in.expect(' ');
  const auto status = in.until(' ');
  in.expect(' ');
  const auto bytes = in.until(' ', form == log_form::common);
  if (form == log_form::combined) {
    in.expect(' ');
    into.referrer = or_empty(in.quoted());
    in.expect(' ');
    into.agent = or_empty(in.quoted());
  }
  if (in.fault() != log_fault::none) return in.fault();
  if (!in.at_end()) return log_fault::bad_line;
  const auto at = time_of(time);
  if (!at) return log_fault::bad_time;
  const auto code = number<unsigned>(status);
  if (!code || *code < 100 || *code > 999) return log_fault::bad_status;
  const auto size = bytes == "-" ? 0 : number<std::uint64_t>(bytes);
  if (!size) return log_fault::bad_line;
  into.at = *at;
  into.status = *code;
  into.bytes = *size;
  split_request(request, into);
  return log_fault::none;
}

bool is_page_view(const access_line& line) {
  constexpr std::array<std::string_view, 10> parts_of_pages{
      ".png", ".jpg", ".jpeg", ".gif", ".css", ".js", ".ico", ".svg", ".woff", ".ttf"};
  const bool good = (line.status >= 200 && line.status <= 299) || line.status == 304;
  if (line.method != "GET" || !good) return false;
  const auto path = std::string_view{line.target}.substr(0, line.target.find('?'));
  return std::none_of(parts_of_pages.begin(), parts_of_pages.end(),
                      [&](std::string_view ending) { return path.ends_with(ending); });
}

}  // namespace tally
