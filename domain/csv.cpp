#include "domain/csv.hpp"

#include <algorithm>

namespace tally {

std::string_view to_string(csv_fault fault) {
  switch (fault) {
    case csv_fault::none:
      return "none";
    case csv_fault::torn_line:
      return "torn_line";
    case csv_fault::bad_quote:
      return "bad_quote";
    case csv_fault::too_long:
      return "too_long";
  }
  return "unknown";
}

void csv_parser::feed(std::string_view bytes) {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  buffer_.append(bytes);
}

void csv_parser::step(char c) {
  if (place_ == place::quoted) {
    if (c == '"') place_ = place::after_quote;
  } else if (c == separator_) {
    place_ = place::field_start;
  } else if (place_ == place::field_start) {
    place_ = c == '"' ? place::quoted : place::plain;
  } else if (place_ == place::after_quote) {
    if (c != '"' && c != '\r') fault_ = csv_fault::bad_quote;
    if (c != '\r') place_ = c == '"' ? place::quoted : place::plain;
  }
}

bool csv_parser::find_end(std::size_t& end) {
  for (; scanned_ < buffer_.size(); ++scanned_) {
    const char c = buffer_[scanned_];
    if (scanned_ - begin_ >= csv_row_bytes_max) {
      fault_ = csv_fault::too_long;
      end = std::min(buffer_.find('\n', begin_), scanned_);
      return true;
    }
    if (c == '\n' && place_ != place::quoted) {
      end = scanned_;
      return true;
    }
    step(c);
  }
  end = buffer_.size();
  if (!finished_ || begin_ == buffer_.size()) return false;
  if (place_ == place::quoted) fault_ = csv_fault::torn_line;
  return true;
}

void csv_parser::take(std::size_t end, csv_row& row) {
  row.text.assign(buffer_, begin_, end - begin_);
  if (row.text.ends_with('\r')) row.text.pop_back();
  row.line = line_;
  row.fault = fault_;
  row.fields.clear();
  if (fault_ == csv_fault::none) split(row);
  const auto next = std::min(end + 1, buffer_.size());
  line_ += static_cast<std::uint64_t>(
      std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                 buffer_.begin() + static_cast<std::ptrdiff_t>(next), '\n'));
  begin_ = next;
  scanned_ = next;
  place_ = place::field_start;
  fault_ = csv_fault::none;
}

void csv_parser::split(csv_row& row) const {
  const std::string_view text{row.text};
  std::size_t at = 0;
  while (true) {
    auto& field = row.fields.emplace_back();
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size(); ++at) {
        if (text[at] == '"' && (at + 1 == text.size() || text[++at] != '"')) break;
        field += text[at];
      }
    } else {
      const auto end = std::min(text.find(separator_, at), text.size());
      field = text.substr(at, end - at);
      at = end;
    }
    if (at >= text.size() || text[at] != separator_) return;
    ++at;
  }
}

bool csv_parser::next(csv_row& row) {
  if (!started_) {
    if (buffer_.size() < 3 && !finished_) return false;
    if (buffer_.starts_with("\xef\xbb\xbf")) begin_ = scanned_ = 3;
    started_ = true;
  }
  std::size_t end = 0;
  while (find_end(end)) {
    take(end, row);
    if (!row.text.empty()) return true;
  }
  return false;
}

}  // namespace tally
