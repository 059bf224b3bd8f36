#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/client.hpp"

namespace tally::apps {

namespace {

using nlohmann::json;

/// What to write out, as flags give it.
struct typed_export {
  std::string merchant, format = "ndjson", cursor, from, to, limit = "10000";
};

json request_of(const typed_export& typed) {
  json request{{"merchant", typed.merchant}, {"format", typed.format}, {"limit", typed.limit}};
  if (!typed.cursor.empty()) request["cursor"] = typed.cursor;
  if (!typed.from.empty()) request["from"] = typed.from;
  if (!typed.to.empty()) request["to"] = typed.to;
  return request;
}

/// Writes page after page; what is written is followed by the cursor on stderr, so that a later run
/// goes on where this one ended, however it ended.
int write_out(const typed_export& typed, const client_flags& flags) {
  const auto client = flags.connect();
  if (!client) return report(client.error());
  auto request = request_of(typed);
  for (bool more = true; more;) {
    const auto reply = (*client)->run({"export", request.dump()});
    if (!reply) return report(reply.error());
    const auto page = json::parse(*reply, nullptr, false);
    const auto& body = page.at("body").get_ref<const std::string&>();
    if (std::fwrite(body.data(), 1, body.size(), stdout) != body.size() || std::fflush(stdout) != 0)
      return report({errc::io_error, "stdout takes no more"});
    more = page.at("more").get<bool>();
    request["cursor"] = page.at("cursor");
    std::fprintf(stderr, "cursor %s\n", page.at("cursor").get_ref<const std::string&>().c_str());
  }
  return exit_ok;
}

}  // namespace

void add_export(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("export", "Write a merchant's events to stdout");
  command->footer(
      "Examples:\n"
      "  tally export --merchant shop > events.ndjson\n"
      "  tally export --merchant shop --format csv --from 2026-01-01 --to 2026-01-31\n"
      "  tally export --merchant shop --cursor 70312 >> events.ndjson");
  auto typed = std::make_shared<typed_export>();
  command->add_option("--merchant", typed->merchant, "ID")->required();
  command->add_option("--format", typed->format, "ndjson or csv [ndjson]");
  command->add_option("--from", typed->from, "First date, or time, of the events");
  command->add_option("--to", typed->to, "Last date, or time, of the events");
  command->add_option("--cursor", typed->cursor, "Where an earlier export ended");
  command->add_option("--page", typed->limit, "Events in one step, at most 100,000 [10000]");
  command->callback([&chosen, typed, flags = client_flags{*command}] {
    chosen = [typed, flags] { return write_out(*typed, flags); };
  });
}

}  // namespace tally::apps
