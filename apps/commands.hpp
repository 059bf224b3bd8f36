#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "domain/result.hpp"

namespace tally::apps {

/// What the process says when it ends. Part of the contract: docs/reference/commands.md.
enum exit_code : int {
  exit_ok = 0,
  exit_failure = 1,
  exit_usage = 2,  // flags, settings or a question that cannot be understood
  exit_not_found = 3,
  exit_unauthorized = 4,
  exit_unavailable = 5,
  exit_interrupted = 130,
};

/// The command that the flags chose; run after all of them are read.
using action = std::function<int()>;

/// Says on stderr why something failed and gives the exit code of it.
int report(const failure& why);

/// Shows on a terminal how far something is that reads the journal.
void show_rounds(std::uint64_t round, std::uint64_t last);

void add_node(CLI::App& root, action& chosen);
void add_offline(CLI::App& root, action& chosen);
void add_replay(CLI::App& root, action& chosen);
void add_version(CLI::App& root, action& chosen);
void add_config(CLI::App& root, action& chosen);
void add_bench(CLI::App& root, action& chosen);
void add_completion(CLI::App& root, action& chosen);

/// Flags of every setting, with --config, on a command.
class setting_flags {
 public:
  explicit setting_flags(CLI::App& command);
  /// Reads default, file, environment and these flags.
  [[nodiscard]] result<config::settings> read() const;

 private:
  struct given {
    std::string file;
    std::vector<std::vector<std::string>> values;  // parallel to all_settings()
  };
  std::shared_ptr<given> given_;
};

}  // namespace tally::apps
