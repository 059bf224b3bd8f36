#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "apps/client.hpp"
#include "config/setting_values.hpp"

namespace {

using namespace tally::apps;

constexpr auto examples =
    "Examples:\n"
    "  tally demo                                             a node with three sample shops\n"
    "  tally node --data-dir ./data --http 127.0.0.1:8080     a node of your own\n"
    "  tally merchant create shop --timezone Europe/London --currency GBP\n"
    "  tally query --merchant shop --metrics orders,net_sales --dimensions time:day --range 7d\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not found, 4 unauthorized,\n"
    "5 unavailable, 130 interrupted. `tally COMMAND --help` tells more.";

/// Names the command that a mistyped one may have meant.
void suggest(const CLI::App& root, int argc, char** argv) {
  const auto* at = &root;
  for (int i = 1; i < argc; ++i) {
    const std::string typed{argv[i]};
    const auto commands = at->get_subcommands([](const CLI::App*) { return true; });
    const CLI::App* next = nullptr;
    std::string nearest;
    std::size_t least = 3;
    for (const auto* command : commands) {
      const auto distance = tally::config::edit_distance(typed, command->get_name());
      if (distance == 0) next = command;
      if (distance < least) nearest = command->get_name();
      least = std::min(least, distance);
    }
    if (next == nullptr) {
      if (!nearest.empty()) std::fprintf(stderr, "Did you mean '%s'?\n", nearest.c_str());
      return;
    }
    at = next;
  }
}

int run(int argc, char** argv) {
  CLI::App root{"Tally counts what visitors do and what merchants sell, within a second."};
  root.name("tally");
  root.footer(examples);
  root.require_subcommand(0, 1);
  action chosen;
  add_node(root, chosen);
  add_offline(root, chosen);
  add_replay(root, chosen);
  add_console_commands(root, chosen);
  add_local_cluster(root, chosen);
  add_ruleset_check(root, chosen);
  add_ruleset_example(root, chosen);
  add_query(root, chosen);
  add_export(root, chosen);
  add_import(root, chosen);
  add_bench(root, chosen);
  add_demo(root, chosen);
  add_console(root, chosen);
  add_config(root, chosen);
  add_completion(root, chosen);
  add_version(root, chosen);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return root.exit(asked);
  } catch (const CLI::ParseError& error) {
    root.exit(error);
    suggest(root, argc, argv);
    return exit_usage;
  }
  if (chosen) return chosen();
  std::fputs(root.help().c_str(), stdout);
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tally: %s\n", error.what());
    return exit_failure;
  }
}
