#include <cstdio>

#include "apps/commands.hpp"

namespace tally::apps {

void add_version(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("version", "Print the version");
  auto format = std::make_shared<std::string>("table");
  command->add_option("-o,--output", *format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([&chosen, format] {
    chosen = [format] {
      std::puts(*format == "json" ? R"({"version":")" TALLY_VERSION R"("})"
                                  : "tally " TALLY_VERSION);
      return exit_ok;
    };
  });
}

}  // namespace tally::apps
