#include "domain/language.hpp"

#include <algorithm>

namespace tally {
namespace {

constexpr std::size_t part_bytes_max = 8;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

char small(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

char capital(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool is_part(std::string_view part) {
  return !part.empty() && part.size() <= part_bytes_max &&
         std::ranges::all_of(part, [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

std::string normal_language(std::string_view text) {
  auto rest = text.substr(0, text.find_first_of(",;.@"));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  std::string out;
  for (bool first = true; first || !rest.empty(); first = false) {
    const auto part = rest.substr(0, rest.find_first_of("-_"));
    const bool more = part.size() < rest.size();
    const bool language =
        part.size() >= 2 && part.size() <= 3 && std::ranges::all_of(part, is_letter);
    if (!is_part(part) || (first && !language) || (more && part.size() + 1 == rest.size()))
      return std::string{text};
    if (!first) out += '-';
    const auto begin = out.size();
    for (const char c : part) out += small(c);
    const bool region = !first && part.size() == 2;
    const bool script = !first && part.size() == 4 && std::ranges::all_of(part, is_letter);
    if (region || script) out[begin] = capital(out[begin]);
    if (region) out[begin + 1] = capital(out[begin + 1]);
    rest.remove_prefix(part.size() + (more ? 1 : 0));
  }
  return out;
}

}  // namespace tally
