#include <cstdio>

#include "apps/commands.hpp"
#include "config/node_options.hpp"
#include "config/running_node.hpp"

namespace tally::apps {
namespace {

result<config::node_options> read_options(const setting_flags& flags) {
  const auto settings = flags.read();
  if (!settings) return settings.error();
  return config::make_node_options(*settings);
}

int run_node(const setting_flags& flags) {
  config::block_signals();
  auto options = read_options(flags);
  if (!options) return report(options.error());
  options->engine.crash_at = config::crash_point_to_arm();
  config::start_logging(options->log_level, options->log_format);
  auto node = config::running_node::start(*options);
  if (!node) return report(node.error());
  for (const auto& place : (*node)->endpoints())
    std::fprintf(stderr, "tally: listening on %s\n", place.c_str());
  std::fprintf(stderr, "tally: admin on %s, console on port %u\n",
               (*node)->admin_endpoint().c_str(), unsigned{(*node)->console_port()});
  return (*node)->run([&flags] { return read_options(flags); });
}

}  // namespace

void add_node(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("node", "Run a node: take events in, answer questions");
  command->footer("Example:\n  tally node --data-dir ./data --http 127.0.0.1:8080");
  const auto flags = std::make_shared<setting_flags>(*command);
  command->callback([flags, &chosen] { chosen = [flags] { return run_node(*flags); }; });
}

}  // namespace tally::apps
