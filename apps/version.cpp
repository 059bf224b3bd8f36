#include <cstdio>

#include "apps/commands.hpp"

namespace tally::apps {

void add_version(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("version", "Print the version");
  command->callback([&chosen] {
    chosen = [] {
      std::puts("tally " TALLY_VERSION);
      return exit_ok;
    };
  });
}

}  // namespace tally::apps
