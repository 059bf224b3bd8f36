#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/console_client.hpp"
#include "apps/commands.hpp"

namespace tally::apps {

/// Flags that every command of a client has: which node, how to show its answer.
class client_flags {
 public:
  explicit client_flags(CLI::App& command,
                        std::vector<std::string> outputs = {"table", "json", "csv"});

  /// Finds the node's token and connects.
  [[nodiscard]] result<std::unique_ptr<actors::console_client>> connect() const;
  [[nodiscard]] const std::string& output() const { return given_->output; }

 private:
  struct given {
    std::string node, token_file, output = "table";
  };
  std::shared_ptr<given> given_;
};

/// Shows a console command's reply on stdout in the form asked for.
int show_reply(const std::string& json_text, const std::string& output);

/// A ruleset file's text, checked; what is wrong is named with file, line and column.
result<std::string> read_ruleset_file(const std::string& file);
/// A command's words with the texts of the files of rules or rates that they name: the node reads
/// no files.
result<std::vector<std::string>> with_file_texts(std::vector<std::string> words);

void add_console_commands(CLI::App& root, action& chosen);
void add_ruleset_check(CLI::App& root, action& chosen);
void add_ruleset_example(CLI::App& root, action& chosen);
void add_console(CLI::App& root, action& chosen);
void add_local_cluster(CLI::App& root, action& chosen);
void add_demo(CLI::App& root, action& chosen);
void add_query(CLI::App& root, action& chosen);
void add_export(CLI::App& root, action& chosen);
void add_import(CLI::App& root, action& chosen);

/// Columns of the terminal, 80 where stdout is none.
[[nodiscard]] std::size_t terminal_width();

}  // namespace tally::apps
