#include "config/settings.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "config/setting_values.hpp"

namespace tally::config {

namespace {

failure bad(const std::string& where, const std::string& what) {
  return {errc::bad_option, where + ": " + what};
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    auto part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string upper(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::size_t index_of(std::string_view name) {
  const auto table = all_settings();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (name_of(table[i]) == name) return i;
  }
  return table.size();
}

/// The closest of some names, or nothing close enough to be what was meant.
std::string nearest(std::string_view wrong, const std::vector<std::string>& names) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(3, wrong.size() / 2);
  for (const auto& name : names) {
    const auto distance = edit_distance(wrong, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : "; did you mean " + best + "?";
}

std::vector<std::string> known_names(std::string (*naming)(const setting&)) {
  std::vector<std::string> names;
  for (const auto& s : all_settings()) names.push_back(naming(s));
  return names;
}

std::optional<std::uint64_t> numeric(const setting& s, std::string_view text) {
  switch (s.kind) {
    case setting_kind::count:
      return parse_count(text);
    case setting_kind::size:
      return parse_size(text);
    case setting_kind::duration: {
      const auto length = parse_duration(text);
      if (!length) return std::nullopt;
      return static_cast<std::uint64_t>(length->count());
    }
    case setting_kind::time: {
      const auto at = parse_time(text);
      if (!at) return std::nullopt;
      return time_number(*at);
    }
    default:
      return std::nullopt;
  }
}

std::string format_number(const setting& s, std::uint64_t value) {
  if (s.kind == setting_kind::size) return format_size(value);
  if (s.kind == setting_kind::duration) {
    return format_duration(std::chrono::milliseconds{static_cast<std::int64_t>(value)});
  }
  if (s.kind == setting_kind::time) return format_time(time_of_number(value));
  return std::to_string(value);
}

std::string_view shape_of(setting_kind kind) {
  switch (kind) {
    case setting_kind::count:
      return "is not a whole number";
    case setting_kind::size:
      return "is not a size such as 64MiB";
    case setting_kind::duration:
      return "is not a duration such as 30s or 500ms";
    case setting_kind::time:
      return "is not a time such as 1970-01-01T00:00:00Z";
    default:
      return "is not allowed";
  }
}

/// What is wrong with a value, or empty.
std::string problem(const setting& s, const std::string& text) {
  if (s.kind == setting_kind::text || s.kind == setting_kind::list) return {};
  const auto quoted = name_of(s) + ": '" + text + "' ";
  if (s.kind == setting_kind::choice) {
    const auto choices = split(s.choices, ' ');
    const bool known = std::find(choices.begin(), choices.end(), text) != choices.end();
    return known ? "" : quoted + "is none of " + range_of(s);
  }
  const auto value = numeric(s, text);
  if (!value) return quoted + std::string{shape_of(s.kind)};
  if (*value < s.min || *value > s.max) return quoted + "is outside " + range_of(s);
  return {};
}

/// A TOML value as text, or nothing where its type does not fit the setting.
std::optional<std::string> as_text(const setting& s, const toml::node& node) {
  if (s.kind == setting_kind::list) {
    const auto* array = node.as_array();
    if (array == nullptr) return std::nullopt;
    std::string joined;
    for (const auto& element : *array) {
      const auto* one = element.as_string();
      if (one == nullptr || one->get().find(',') != std::string::npos) return std::nullopt;
      joined += (joined.empty() ? "" : ",") + one->get();
    }
    return joined;
  }
  if (const auto* text = node.as_string()) {
    if (s.kind == setting_kind::count) return std::nullopt;
    return text->get();
  }
  if (const auto* truth = node.as_boolean()) {
    if (s.kind != setting_kind::choice) return std::nullopt;
    return truth->get() ? "true" : "false";
  }
  const auto* number = node.as_integer();
  const bool takes_numbers = s.kind == setting_kind::count || s.kind == setting_kind::size;
  if (number == nullptr || !takes_numbers) return std::nullopt;
  return std::to_string(number->get());
}

std::string place(const std::string& name, const toml::source_region& region) {
  std::ostringstream out;
  out << name << ':' << region.begin.line << ':' << region.begin.column;
  return out.str();
}

}  // namespace

std::string name_of(const setting& s) {
  return std::string{s.section} + "." + std::string{s.key};
}

std::string flag_of(const setting& s) {
  if (!s.flag.empty()) return "--" + std::string{s.flag};
  auto flag = "--" + std::string{s.section} + "-" + std::string{s.key};
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string variable_of(const setting& s) {
  return "TALLY_" + upper(s.section) + "_" + upper(s.key);
}

std::string range_of(const setting& s) {
  if (s.kind == setting_kind::text || s.kind == setting_kind::list) return {};
  if (s.kind != setting_kind::choice) {
    return format_number(s, s.min) + " to " + format_number(s, s.max);
  }
  const auto choices = split(s.choices, ' ');
  std::string out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i != 0) out += i + 1 == choices.size() ? " or " : ", ";
    out += choices[i];
  }
  return out;
}

bool is_live(std::string_view name) {
  const auto index = index_of(name);
  ensure(index < all_settings().size(), "a setting that is not in the table");
  return all_settings()[index].live;
}

std::string_view to_string(setting_source source) {
  switch (source) {
    case setting_source::fallback:
      return "default";
    case setting_source::file:
      return "file";
    case setting_source::environment:
      return "environment";
    case setting_source::flag:
      return "flag";
  }
  return "unknown";
}

settings::settings() {
  for (const auto& s : all_settings()) {
    values_.push_back({std::string{s.fallback}, setting_source::fallback, {}});
  }
}

status settings::set(std::size_t index, std::string text, setting_source source,
                     std::string where) {
  if (auto wrong = problem(all_settings()[index], text); !wrong.empty()) return bad(where, wrong);
  auto& current = values_[index];
  if (source >= current.source) current = {std::move(text), source, std::move(where)};
  return done{};
}

status settings::read_toml(std::string_view text, const std::string& name) {
  toml::table document;
  try {
    document = toml::parse(text, std::string_view{name});
  } catch (const toml::parse_error& error) {
    return bad(place(name, error.source()), std::string{error.description()});
  }
  for (const auto& [section, content] : document) {
    const auto* table = content.as_table();
    if (table == nullptr) {
      return bad(place(name, section.source()),
                 "'" + std::string{section.str()} + "' stands outside a [section]");
    }
    for (const auto& [key, node] : *table) {
      const auto full = std::string{section.str()} + "." + std::string{key.str()};
      const auto where = place(name, key.source());
      const auto index = index_of(full);
      if (index == values_.size()) {
        return bad(where, "unknown setting " + full + nearest(full, known_names(name_of)));
      }
      const auto& s = all_settings()[index];
      auto taken_text = as_text(s, node);
      if (!taken_text)
        return bad(where,
                   full + " " +
                       (s.kind == setting_kind::list ? "must be an array of texts without commas"
                                                     : std::string{shape_of(s.kind)}));
      auto taken = set(index, std::move(*taken_text), setting_source::file, where);
      if (!taken) return taken;
    }
  }
  return done{};
}

status settings::read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) return failure{errc::not_found, path + ": cannot be read"};
  return read_toml(content.str(), path);
}

status settings::read_environment(const char* const* variables) {
  const auto table = all_settings();
  for (; *variables != nullptr; ++variables) {
    const std::string_view entry{*variables};
    const auto name = entry.substr(0, entry.find('='));
    if (name.size() == entry.size() || !name.starts_with("TALLY_")) continue;
    const auto of_section = [&](const setting& s) {
      return name.starts_with("TALLY_" + upper(s.section) + "_");
    };
    if (std::none_of(table.begin(), table.end(), of_section)) continue;
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&](const setting& s) { return variable_of(s) == name; });
    if (found == table.end()) {
      return bad("environment",
                 "unknown setting " + std::string{name} + nearest(name, known_names(variable_of)));
    }
    auto taken = set(static_cast<std::size_t>(found - table.begin()),
                     std::string{entry.substr(name.size() + 1)}, setting_source::environment,
                     std::string{name});
    if (!taken) return taken;
  }
  return done{};
}

status settings::set_flag(const setting& s, const std::string& text) {
  return set(index_of(name_of(s)), text, setting_source::flag, flag_of(s));
}

std::vector<std::string> settings::differences(const settings& other) const {
  const auto table = all_settings();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const auto &a = values_[i].text, &b = other.values_[i].text;
    const auto number = numeric(table[i], a);
    const bool same = number ? number == numeric(table[i], b) : split(a, ',') == split(b, ',');
    if (!same) names.push_back(name_of(table[i]));
  }
  return names;
}

void settings::take_live(const settings& fresh) {
  const auto table = all_settings();
  for (std::size_t i = 0; i < values_.size(); ++i)
    if (table[i].live) values_[i] = fresh.values_[i];
}

const settings::value& settings::get(std::string_view name) const {
  const auto index = index_of(name);
  ensure(index < values_.size(), "a setting that is not in the table");
  return values_[index];
}

std::vector<std::string> settings::list(std::string_view name) const {
  return split(get(name).text, ',');
}

std::uint64_t settings::number(std::string_view name) const {
  const auto index = index_of(name);
  ensure(index < values_.size(), "a setting that is not in the table");
  const auto parsed = numeric(all_settings()[index], values_[index].text);
  ensure(parsed.has_value(), "a setting read as a number that is none");
  return *parsed;
}

std::chrono::milliseconds settings::duration(std::string_view name) const {
  return std::chrono::milliseconds{static_cast<std::int64_t>(number(name))};
}

event_time settings::time(std::string_view name) const {
  return time_of_number(number(name));
}

result<std::string> find_settings_file(const std::string& given) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const char* variable = std::getenv("TALLY_CONFIG");
  const std::string named = !given.empty() ? given : variable != nullptr ? variable : "";
  if (!named.empty()) {
    if (fs::is_regular_file(named, ignored)) return named;
    return failure{errc::not_found, named + ": no such settings file"};
  }
  std::vector<std::string> places{"tally.toml"};
  if (const char* home = std::getenv("HOME")) {
    places.push_back(std::string{home} + "/.config/tally/tally.toml");
  }
  places.emplace_back("/etc/tally/tally.toml");
  for (const auto& candidate : places) {
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return std::string{};
}

}  // namespace tally::config
