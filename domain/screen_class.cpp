#include "domain/screen_class.hpp"

#include <array>
#include <charconv>

namespace tally {
namespace {

struct wide_class {
  unsigned width_end;
  std::string_view name;
};
// The edges of Plausible's classes.
constexpr std::array<wide_class, 3> classes{{{576, "mobile"}, {992, "tablet"}, {1'440, "laptop"}}};
constexpr unsigned width_max = 100'000;

/// Takes a positive number off the front of a text; 0 where there is none.
unsigned take_number(std::string_view& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number > width_max) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::string_view screen_class(std::string_view screen) {
  const auto width = take_number(screen);
  if (width == 0) return {};
  if (!screen.empty()) {
    if (screen.front() != 'x' && screen.front() != 'X') return {};
    screen.remove_prefix(1);
    if (take_number(screen) == 0 || !screen.empty()) return {};
  }
  for (const auto& c : classes)
    if (width < c.width_end) return c.name;
  return "desktop";
}

}  // namespace tally
