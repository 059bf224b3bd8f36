#include <cstdio>

#include "apps/client.hpp"
#include "apps/local_cluster.hpp"

namespace tally::apps {
namespace {

constexpr auto start_example =
    "Example:\n  tally cluster start-local 3 --dir ./cluster\n"
    "Data, logs and ports stay in the folder; `tally cluster stop-local` ends it all.";

struct local_flags {
  std::size_t count = 3;
  std::string folder, output = "table";
};

void add_folder(CLI::App& command, local_flags& into) {
  command.add_option("--dir", into.folder, "Folder of the nodes' and etcd's data and logs")
      ->required();
  command.add_option("-o,--output", into.output, "table, json, csv [table]")
      ->check(CLI::IsMember({"table", "json", "csv"}));
}

int change(const local_flags& flags, const std::function<status(local_cluster&)>& how) {
  auto cluster = local_cluster::open(flags.folder);
  if (!cluster) return report(cluster.error());
  if (const auto changed = how(*cluster); !changed) return report(changed.error());
  return show_reply(cluster->to_json(), flags.output);
}

}  // namespace

void add_local_cluster(CLI::App& root, action& chosen) {
  const auto known =
      root.get_subcommands([](const CLI::App* one) { return one->get_name() == "cluster"; });
  auto* group =
      known.empty() ? root.add_subcommand("cluster", "Commands about a cluster") : known.front();
  group->require_subcommand(1);
  const auto flags = std::make_shared<local_flags>();
  auto* start = group->add_subcommand(
      "start-local", "Run etcd and nodes on this machine, those that do not run yet");
  start->add_option("NODES", flags->count, "How many nodes, 1 to 16")
      ->required()
      ->check(CLI::Range(1, 16));
  start->footer(start_example);
  add_folder(*start, *flags);
  start->callback([flags, &chosen] {
    chosen = [flags] {
      return change(*flags, [&](local_cluster& c) { return c.start(flags->count); });
    };
  });
  auto* stop = group->add_subcommand("stop-local", "End what start-local started");
  add_folder(*stop, *flags);
  stop->callback([flags, &chosen] {
    chosen = [flags] { return change(*flags, [](local_cluster& c) { return c.stop(); }); };
  });
}

}  // namespace tally::apps
