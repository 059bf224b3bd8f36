#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/client.hpp"
#include "config/ruleset_examples.hpp"
#include "persistence/ruleset_text.hpp"
#include "persistence/trial.hpp"

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

struct trial_words {
  std::string data_dir, file, output = "table";
  std::vector<std::string> merchants;
  std::size_t limit = 100;
};

void show(const persistence::trial_report& report, const std::string& output) {
  auto changes = nlohmann::json::array();
  for (const auto& c : report.changes)
    changes.push_back({{"merchant", c.merchant},
                       {"metric", c.metric},
                       {"currency", c.currency},
                       {"bucket", c.bucket},
                       {"old", c.old_value},
                       {"new", c.new_value}});
  if (output == "json") {
    const nlohmann::json all{{"events", report.events},
                             {"merchants", report.merchants},
                             {"changes", std::move(changes)}};
    std::puts(all.dump().c_str());
    return;
  }
  for (const auto& c : report.changes)
    std::printf("%s  %s  %s%s%s  %s -> %s\n", c.merchant.c_str(), c.bucket.c_str(),
                c.metric.c_str(), c.currency.empty() ? "" : " ", c.currency.c_str(),
                c.old_value.c_str(), c.new_value.c_str());
  std::fprintf(stderr, "%llu events of %llu merchants, %zu changes shown\n",
               static_cast<unsigned long long>(report.events),
               static_cast<unsigned long long>(report.merchants), report.changes.size());
}

int replay(const trial_words& words) {
  const auto text = read_ruleset_file(words.file);
  if (!text) return report(text.error());
  auto rules = persistence::read_ruleset(*text);
  if (!rules) return report(rules.error());
  const auto scratch =
      std::filesystem::temp_directory_path() / ("tally-replay-" + std::to_string(getpid()));
  const auto tried = persistence::try_ruleset(
      {words.data_dir, scratch, std::move(*rules), words.merchants, words.limit}, show_rounds);
  if (!tried) return report(tried.error());
  show(*tried, words.output);
  return exit_ok;
}

/// The names of the examples, and what they are.
int list_examples() {
  for (const auto& e : config::ruleset_examples())
    std::printf("%-14s  %s\n", std::string{e.name}.c_str(), std::string{e.doc}.c_str());
  return exit_ok;
}

int show_example(const std::string& name) {
  if (name.empty()) return list_examples();
  std::string names;
  for (const auto& e : config::ruleset_examples()) {
    if (e.name == name) {
      std::fputs(e.text().c_str(), stdout);
      return exit_ok;
    }
    names.append(names.empty() ? "" : ", ").append(e.name);
  }
  return report(failure{errc::not_found, "no example '" + name + "': there are " + names});
}

}  // namespace

void add_replay(CLI::App& root, action& chosen) {
  const auto words = std::make_shared<trial_words>();
  auto* command =
      root.add_subcommand("replay", "Try a ruleset on a data directory and print the difference");
  command->add_option("--data-dir", words->data_dir, "Data directory; only read")->required();
  command->add_option("--ruleset", words->file, "TOML or JSON file")->required();
  command->add_option("--merchant", words->merchants, "Only this merchant; may be repeated");
  command->add_option("--limit", words->limit, "How many changes to print [100]")
      ->check(CLI::Range(1, 100'000));
  command->add_option("-o,--output", words->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([words, &chosen] { chosen = [words] { return replay(*words); }; });
}

void add_ruleset_check(CLI::App& root, action& chosen) {
  const auto file = std::make_shared<std::string>();
  auto* command = root.get_subcommand("ruleset")->add_subcommand(
      "check", "Check a ruleset file without a node and print its canonical form");
  command->add_option("FILE", *file, "TOML or JSON")->required();
  command->callback([file, &chosen] { chosen = [file] { return check(*file); }; });
}

void add_ruleset_example(CLI::App& root, action& chosen) {
  const auto name = std::make_shared<std::string>();
  auto* command = root.get_subcommand("ruleset")->add_subcommand(
      "example", "Print a ruleset to begin with; without a name, which there are");
  command->add_option("NAME", *name, "bots, own-traffic or referrer-spam");
  command->callback([name, &chosen] { chosen = [name] { return show_example(*name); }; });
}

}  // namespace tally::apps
