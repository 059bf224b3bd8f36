#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "api/text_table.hpp"
#include "apps/bench.hpp"

namespace tally::apps {
namespace {

using nlohmann::json;

/// A folder that goes away with the run.
class bench_folder {
 public:
  explicit bench_folder(const std::string& parent) {
    const auto* place = std::getenv("TMPDIR");
    path_ = (!parent.empty()    ? parent
             : place != nullptr ? place
                                : "/tmp") +
            std::string{"/tally-bench-XXXXXX"};
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~bench_folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  bench_folder(const bench_folder&) = delete;
  bench_folder& operator=(const bench_folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : "%.2f", value);
  return text;
}

void show(const figures& all, const std::string& output) {
  if (output == "json") {
    auto list = json::array();
    for (const auto& f : all) {
      json one{{"what", f.what}, {"unit", f.unit}, {"value", f.value}, {"note", f.note}};
      if (f.ceiling > 0) one["ceiling"] = {{"what", f.ceiling_name}, {"value", f.ceiling}};
      list.push_back(std::move(one));
    }
    std::puts(json{{"figures", list}}.dump(1).c_str());
    return;
  }
  api::text_table table{{"what", "figure", "unit", "ceiling", "of it", "note"}, {}};
  for (const auto& f : all) {
    table.rows.push_back({f.what, number(f.value), f.unit,
                          f.ceiling > 0 ? number(f.ceiling) + " " + f.ceiling_name : "",
                          f.ceiling > 0 ? number(100 * f.value / f.ceiling) + " %" : "", f.note});
  }
  std::fputs(api::render(table).c_str(), stdout);
}

status bench_ceilings(const bench_options& options, figures& into) {
  const auto parsed = parse_ceiling(options.seconds);
  if (!parsed) return parsed.error();
  into.push_back(
      {"ceiling: native events parsed and encoded, one thread", "events/s", *parsed, 0, "", ""});
  for (const std::uint32_t events : {1U, 1'000U, 16'000U}) {
    const auto written = journal_ceiling(options.folder + "/journal-" + std::to_string(events),
                                         events, options.seconds);
    if (!written) return written.error();
    into.push_back({"ceiling: rounds of " + std::to_string(events) +
                        " events written to the journal, an fsync each",
                    "events/s", *written, 0, "", ""});
  }
  return done{};
}

status run_sections(const bench_options& options, figures& into) {
  const auto wanted = [&](const char* section) {
    const bool chosen = options.only.empty() || std::find(options.only.begin(), options.only.end(),
                                                          section) != options.only.end();
    if (chosen) std::fprintf(stderr, "tally: %s\n", section);
    return chosen;
  };
  if (wanted("ceilings"))
    if (auto good = bench_ceilings(options, into); !good) return good;
  for (const auto& [name, section] :
       {std::pair{"ingest", &bench_ingest}, std::pair{"questions", &bench_questions},
        std::pair{"recovery", &bench_recovery}}) {
    if (!wanted(name)) continue;
    auto node = bench_node::start(options.folder + "/" + name);
    if (!node) return node.error();
    if (auto good = section(**node, options, into); !good) return good;
  }
  return wanted("memory") ? bench_memory(options, into) : done{};
}

int run(bench_options options, const std::string& output) {
  const bench_folder folder{options.folder};
  if (folder.path().empty()) return report({errc::io_error, "no temporary folder can be made"});
  options.folder = folder.path();
  if (options.quick) {
    options.seconds = 0.5;
    options.merchants = 1'000;
    options.batches = {1, 1'000};
    options.connections = {16};
    options.idle_merchants = 10'000;
  }
  figures all;
  const auto good = run_sections(options, all);
  show(all, output);
  return good ? exit_ok : report(good.error());
}

}  // namespace

void add_bench_run(CLI::App& bench, action& chosen) {
  auto* command = bench.add_subcommand("run", "Measure this machine: ceilings, then a node");
  command->footer(
      "Starts nodes of its own on loopback and sends them the standard load. Every figure is\n"
      "checked against what was sent; ratios to the ceilings of the same run are what to quote.\n"
      "Example:\n  tally bench run --seconds 5 -o json > bench.json");
  auto options = std::make_shared<bench_options>();
  auto output = std::make_shared<std::string>("table");
  command->add_option("--seconds", options->seconds, "Of each figure [3]")
      ->check(CLI::Range(0.1, 3600.0));
  command->add_option("--merchants", options->merchants, "Of the ingest load [100000]")
      ->check(CLI::Range(1, 10'000'000));
  command->add_option("--idle-merchants", options->idle_merchants, "Of the memory figure [1000000]")
      ->check(CLI::Range(10'000, 10'000'000));
  command->add_option("--folder", options->folder, "Make the data folder in here [$TMPDIR]");
  command->add_option("--only", options->only, "Only these sections, separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember({"ceilings", "ingest", "questions", "recovery", "memory"}));
  command->add_option("--batches", options->batches, "Events a request [1,100,1000,10000]")
      ->delimiter(',')
      ->check(CLI::Range(1, 10'000));
  command->add_option("--connections", options->connections, "Of the ingest figures [1,16,64]")
      ->delimiter(',')
      ->check(CLI::Range(1, 1'000));
  command->add_flag("--quick", options->quick, "Small and short: shows that the bench works");
  command->add_option("-o,--output", *output, "table or json [table]")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([&chosen, options, output] {
    chosen = [options, output] { return run(*options, *output); };
  });
}

void add_bench(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("bench", "Make load, and measure");
  command->require_subcommand(1);
  add_bench_run(*command, chosen);
  add_bench_generate(*command, chosen);
}

}  // namespace tally::apps
