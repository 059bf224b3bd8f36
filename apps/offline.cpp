#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "persistence/backup.hpp"
#include "persistence/verify.hpp"

namespace tally::apps {
namespace {

int verify(const std::string& data_dir, const std::string& format) {
  const auto scratch =
      std::filesystem::temp_directory_path() / ("tally-verify-" + std::to_string(getpid()));
  const auto found = persistence::verify(data_dir, scratch, ruleset{}, show_rounds);
  if (!found) return report(found.error());
  if (format == "json") {
    const nlohmann::json out{{"rounds", found->rounds},
                             {"chunks", found->chunks},
                             {"events", found->events},
                             {"merchants", found->merchants},
                             {"problems", found->problems}};
    std::puts(out.dump().c_str());
  } else {
    for (const auto& p : found->problems) std::printf("%s\n", p.c_str());
    std::printf("%llu rounds, %llu events, %llu merchants: %s\n",
                static_cast<unsigned long long>(found->rounds),
                static_cast<unsigned long long>(found->events),
                static_cast<unsigned long long>(found->merchants),
                found->problems.empty() ? "good" : "damaged");
  }
  return found->problems.empty() ? exit_ok : exit_failure;
}

int restore(const std::string& backup, const std::string& data_dir) {
  const auto restored = persistence::restore(backup, data_dir);
  if (!restored) return report(restored.error());
  std::fprintf(stderr, "restored to %s\n", data_dir.c_str());
  return exit_ok;
}

}  // namespace

void show_rounds(std::uint64_t round, std::uint64_t last) {
  if (isatty(STDERR_FILENO) == 0 || (round % 1'000 != 0 && round != last)) return;
  std::fprintf(stderr, "\rround %llu of %llu%s", static_cast<unsigned long long>(round),
               static_cast<unsigned long long>(last), round == last ? "\n" : "");
}

void add_offline(CLI::App& root, action& chosen) {
  struct given {
    std::string dir, data_dir, format = "table";
  };
  const auto words = std::make_shared<given>();
  auto* check = root.add_subcommand("verify", "Check a data directory that no node uses");
  check->add_option("DIR", words->dir, "Data directory")->required();
  check->add_option("-o,--output", words->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  check->footer("Exit codes: 0 good, 1 damaged (each problem is named).");
  check->callback(
      [words, &chosen] { chosen = [words] { return verify(words->dir, words->format); }; });
  auto* back = root.add_subcommand("restore", "Make a data directory from a backup");
  back->add_option("BACKUP", words->dir, "Folder that `tally backup` wrote")->required();
  back->add_option("--data-dir", words->data_dir, "New data directory")->required();
  back->callback(
      [words, &chosen] { chosen = [words] { return restore(words->dir, words->data_dir); }; });
}

}  // namespace tally::apps
