#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "domain/time.hpp"

namespace tally::config {

enum class setting_kind : std::uint8_t { text, list, choice, count, size, duration, time };

/// One line of the table that is the only description of a setting: reading, checking, flags,
/// `config dump` and the example file all come from it.
struct setting {
  std::string_view section, key;
  setting_kind kind;
  std::string_view fallback;  // as it would be written: "64MiB"; lists are joined by commas
  std::uint64_t min = 0;      // of counts, bytes of sizes, milliseconds of durations, of times
                              // as time_number() gives
  std::uint64_t max = 0;
  std::string_view choices;  // of a choice, separated by spaces
  std::string_view flag;     // without dashes; empty: section-key
  std::string_view doc;      // one or more sentences
  bool live = false;         // a running node takes a new value over
};

/// All settings, in the order of the example file.
[[nodiscard]] std::span<const setting> all_settings();
/// The name must be one of the table.
[[nodiscard]] bool is_live(std::string_view name);
/// "http.listen"
[[nodiscard]] std::string name_of(const setting& s);
/// "--http"
[[nodiscard]] std::string flag_of(const setting& s);
/// "TALLY_HTTP_LISTEN"
[[nodiscard]] std::string variable_of(const setting& s);
/// "1MiB to 1TiB", "debug, info, warn or error"; empty where anything goes.
[[nodiscard]] std::string range_of(const setting& s);

enum class setting_source : std::uint8_t { fallback, file, environment, flag };
[[nodiscard]] std::string_view to_string(setting_source source);

/// Values by precedence: default < file < environment < flag, in whatever order they are read.
/// Failures are bad_option and name the place ("tally.toml:3:1") and the setting.
class settings {
 public:
  settings();

  status read_file(const std::string& path);
  /// `name` stands for the path in messages.
  status read_toml(std::string_view text, const std::string& name);
  /// Takes TALLY_<SECTION>_<KEY> from a null-terminated array like environ. A variable of a known
  /// section with an unknown key is a failure; other variables are not ours.
  status read_environment(const char* const* variables);
  status set_flag(const setting& s, const std::string& text);

  /// Names of the settings whose meaning differs ("60s" is "1m").
  [[nodiscard]] std::vector<std::string> differences(const settings& other) const;
  /// Takes the values of live settings over.
  void take_live(const settings& fresh);

  struct value {
    std::string text;
    setting_source source = setting_source::fallback;
    std::string where;  // file with line, variable or flag
  };
  /// The name ("http.listen") must be one of the table.
  [[nodiscard]] const value& get(std::string_view name) const;
  [[nodiscard]] const std::string& text(std::string_view name) const { return get(name).text; }
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  /// Count, bytes or milliseconds.
  [[nodiscard]] std::uint64_t number(std::string_view name) const;
  [[nodiscard]] std::chrono::milliseconds duration(std::string_view name) const;
  [[nodiscard]] event_time time(std::string_view name) const;

 private:
  status set(std::size_t index, std::string text, setting_source source, std::string where);

  std::vector<value> values_;  // parallel to all_settings()
};

/// Where to look for a settings file: `given`, else $TALLY_CONFIG, ./tally.toml,
/// ~/.config/tally/tally.toml, /etc/tally/tally.toml; the first that exists. Empty: none.
/// not_found where `given` or $TALLY_CONFIG names no file.
result<std::string> find_settings_file(const std::string& given);

/// The commented example file, every setting at its default.
[[nodiscard]] std::string example_file();

}  // namespace tally::config
