#include <cstdio>

#include "apps/client.hpp"
#include "persistence/ruleset_text.hpp"

namespace tally::apps {
namespace {

/// Prints the canonical form, so that a file can be compared with what a node has.
int check(const std::string& file) {
  const auto text = read_ruleset_file(file);
  if (!text) return report(text.error());
  const auto rules = persistence::read_ruleset(*text);
  if (!rules) return report(rules.error());
  std::puts(persistence::write_ruleset(*rules).c_str());
  return exit_ok;
}

}  // namespace

void add_ruleset_check(CLI::App& root, action& chosen) {
  const auto file = std::make_shared<std::string>();
  auto* command = root.get_subcommand("ruleset")->add_subcommand(
      "check", "Check a ruleset file without a node and print its canonical form");
  command->add_option("FILE", *file, "TOML or JSON")->required();
  command->callback([file, &chosen] { chosen = [file] { return check(*file); }; });
}

}  // namespace tally::apps
