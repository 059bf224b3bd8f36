#include "api/console_words.hpp"

#include <set>

namespace tally::api {

result<std::vector<std::string>> console_words(std::string_view line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == '"' && c == '\\' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return failure{errc::bad_request, std::string{"an open "} + quote};
  return words;
}

std::vector<std::string> words_that_follow(const std::vector<std::string>& commands,
                                           std::string_view line) {
  const auto end = line.rfind(' ');
  auto before = end == std::string_view::npos ? std::string{} : std::string{line.substr(0, end)};
  while (before.ends_with(' ')) before.pop_back();
  if (!before.empty()) before += ' ';
  std::set<std::string> words;
  for (const auto& command : commands) {
    if (!command.starts_with(before)) continue;
    const auto rest = command.substr(before.size());
    words.insert(rest.substr(0, rest.find(' ')));
  }
  return {words.begin(), words.end()};
}

}  // namespace tally::api
