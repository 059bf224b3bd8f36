#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/text_table.hpp"
#include "apps/commands.hpp"
#include "config/node_options.hpp"

namespace tally::apps {

namespace {

int dump(const config::settings& from, const std::string& format) {
  if (format == "json") {
    nlohmann::ordered_json out;
    for (const auto& s : config::all_settings()) {
      const auto& value = from.get(config::name_of(s));
      out[config::name_of(s)] = {{"value", value.text},
                                 {"source", config::to_string(value.source)},
                                 {"where", value.where},
                                 {"live", s.live}};
    }
    std::puts(out.dump(2).c_str());
    return exit_ok;
  }
  api::text_table table{{"setting", "value", "source", "where"}, {}};
  for (const auto& s : config::all_settings()) {
    const auto& value = from.get(config::name_of(s));
    table.rows.push_back({config::name_of(s), value.text,
                          std::string{config::to_string(value.source)}, value.where});
  }
  std::fputs(api::render(table).c_str(), stdout);
  return exit_ok;
}

int check(const config::settings& from, const std::string& format) {
  const auto options = config::make_node_options(from);
  if (!options) return report(options.error());
  std::fputs("settings are good\n", stderr);
  if (format == "json") std::puts(R"({"good":true})");
  return exit_ok;
}

/// Takes the flag -o of a command that knows tables and JSON.
std::shared_ptr<std::string> add_format(CLI::App& command) {
  auto format = std::make_shared<std::string>("table");
  command.add_option("-o,--output", *format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  return format;
}

}  // namespace

setting_flags::setting_flags(CLI::App& command) : given_{std::make_shared<given>()} {
  const auto table = config::all_settings();
  given_->values.resize(table.size());
  command.add_option("--config", given_->file, "Settings file (TOML)")->group("Settings");
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto& s = table[i];
    auto doc = std::string{s.doc} + " [" + std::string{s.fallback} + "]";
    auto* option = command.add_option(config::flag_of(s), given_->values[i], doc);
    option->group("Settings")->allow_extra_args(false);
    option->take_all()->type_name(s.kind == config::setting_kind::list ? "TEXT ..." : "TEXT");
    if (s.kind != config::setting_kind::list) option->take_last();
  }
}

result<config::settings> setting_flags::read() const {
  config::settings out;
  const auto file = config::find_settings_file(given_->file);
  if (!file) return file.error();
  if (!file->empty()) {
    if (auto taken = out.read_file(*file); !taken) return taken.error();
  }
  if (auto taken = out.read_environment(environ); !taken) return taken.error();
  const auto table = config::all_settings();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto& values = given_->values[i];
    if (values.empty()) continue;
    std::string joined;
    for (const auto& one : values) joined += (joined.empty() ? "" : ",") + one;
    if (auto taken = out.set_flag(table[i], joined); !taken) return taken.error();
  }
  return out;
}

void add_config(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("config", "Check or show the settings a node would use");
  command->require_subcommand(1);
  auto* checking = command->add_subcommand("check", "Read everything and say what is wrong");
  checking->callback([&chosen, format = add_format(*checking), flags = setting_flags{*checking}] {
    chosen = [flags, format] {
      const auto from = flags.read();
      return from ? check(*from, *format) : report(from.error());
    };
  });
  auto* dumping = command->add_subcommand("dump", "Show every setting, its value and its source");
  dumping->callback([&chosen, format = add_format(*dumping), flags = setting_flags{*dumping}] {
    chosen = [flags, format] {
      const auto from = flags.read();
      return from ? dump(*from, *format) : report(from.error());
    };
  });
  auto* example = command->add_subcommand("example", "Print a commented file with all defaults");
  example->callback([&chosen] {
    chosen = [] {
      std::fputs(config::example_file().c_str(), stdout);
      return exit_ok;
    };
  });
}

}  // namespace tally::apps
