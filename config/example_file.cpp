#include <sstream>

#include "config/settings.hpp"

namespace tally::config {

namespace {

std::string toml_value(const setting& s) {
  if (s.kind == setting_kind::count) return std::string{s.fallback};
  if (s.kind != setting_kind::list) return "\"" + std::string{s.fallback} + "\"";
  if (s.fallback.empty()) return "[]";
  return "[\"" + std::string{s.fallback} + "\"]";
}

}  // namespace

std::string example_file() {
  std::ostringstream out;
  out << "# Settings of a Tally node, all at their defaults.\n"
         "#\n"
         "# A flag beats an environment variable, which beats this file, which beats the default.\n"
         "# The variable of [section] key is TALLY_SECTION_KEY; lists are joined by commas there.\n"
         "# Sizes: B, KiB, MiB, GiB, TiB. Durations: ms, s, m, h, d.\n"
         "# Times: 1970-01-01T00:00:00Z.\n"
         "# Made by `tally config example`; `tally config check` reads a file like a node does.\n";
  std::string_view section;
  for (const auto& s : all_settings()) {
    if (s.section != section) out << "\n[" << s.section << "]\n";
    section = s.section;
    out << "# " << s.doc << "\n# " << flag_of(s);
    if (const auto range = range_of(s); !range.empty()) out << "; " << range;
    if (s.live) out << "; reloaded on SIGHUP";
    out << "\n# " << s.key << " = " << toml_value(s) << "\n";
  }
  return out.str();
}

}  // namespace tally::config
