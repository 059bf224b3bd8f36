#include <algorithm>
#include <array>

#include "apps/client.hpp"

namespace tally::apps {

namespace {

/// A command that the node's console carries out as it is typed.
struct remote_command {
  std::string_view path;  // "merchant create"
  std::string_view doc;
  std::string_view words;  // positional ones: "ID", "ID NAME", "[ROUNDS]"
  // "timezone:ZONE currency:CODE"; "!" at the end: required, "*": many; without a colon: a switch
  std::string_view options;
};

constexpr std::array<remote_command, 55> remote_commands{{
    {"merchant create", "Register a merchant and make its first keys", "ID",
     "timezone:ZONE currency:CODE honour-gpc"},
    {"merchant set", "Change a merchant's zone or currency, for its past too, or its privacy", "ID",
     "timezone:ZONE currency:CODE honour-gpc ignore-gpc"},
    {"merchant list", "All registered merchants", "", ""},
    {"merchant show", "Settings and ledger of a merchant", "ID", ""},
    {"merchant inspect", "Live state of a merchant", "ID", ""},
    {"merchant delete", "Take away a merchant's keys, aliases and settings", "ID", ""},
    {"merchant alias add", "Let a name of another protocol stand for a merchant",
     "ID PROTOCOL:NAME", ""},
    {"merchant alias list", "A merchant's names in other protocols", "ID", ""},
    {"merchant alias remove", "Take such a name away", "ID PROTOCOL:NAME", ""},
    {"goal add", "Name what is a goal of a merchant", "ID NAME",
     "event:NAME page:PATH filter:JSON"},
    {"goal list", "A merchant's goals", "ID", ""},
    {"goal remove", "Forget a goal", "ID NAME", ""},
    {"segment add", "Name a part of a merchant's events", "ID NAME", "filter:JSON!"},
    {"segment list", "A merchant's segments", "ID", ""},
    {"segment remove", "Forget a segment", "ID NAME", ""},
    {"key create", "Make a key; its text is shown once", "",
     "scope:platform|write|read|admin! merchant:ID label:TEXT no-create"},
    {"key list", "Keys without their text", "", "merchant:ID"},
    {"key revoke", "Take a key away", "KEY", "merchant:ID"},
    {"token create", "Make a short-lived read token for embedding", "", "merchant:ID! ttl:SECONDS"},
    {"ruleset add", "Check a ruleset and keep it; tells its version", "FILE", ""},
    {"ruleset list", "All rulesets", "", ""},
    {"ruleset show", "A ruleset in its canonical form", "VERSION", ""},
    {"ruleset compare", "What differs between two rulesets", "VERSION VERSION", ""},
    {"reprocess start", "Build a generation by a ruleset, beside what serves", "",
     "ruleset:FILE|VERSION! merchant:ID*"},
    {"reprocess list", "All generations", "", ""},
    {"reprocess status", "How far a generation is", "ID", ""},
    {"reprocess pause", "Stop building a generation for now", "ID", ""},
    {"reprocess resume", "Go on building it", "ID", ""},
    {"reprocess diff", "What a generation changes, the largest changes first", "ID",
     "limit:NUMBER"},
    {"reprocess promote", "Serve its merchants from a generation", "ID", ""},
    {"reprocess rollback", "Serve them from the one before again", "ID", ""},
    {"reprocess drop", "Delete a generation that serves nobody", "ID", ""},
    {"rates import", "Take in daily rates of currencies from a CSV file", "FILE", "base:CODE"},
    {"rates list", "The rates that are known, newest first", "",
     "currency:CODE from:DATE to:DATE limit:NUMBER"},
    {"status", "What the node is and does", "", ""},
    {"shards", "Live merchants by lane", "", ""},
    {"cluster status", "The cluster's nodes and what they lead and hold", "", ""},
    {"cluster add", "Let a node hold shards again", "NODE", ""},
    {"cluster drain", "Have other nodes take what a node holds", "NODE", ""},
    {"cluster remove", "The same, for good: it never comes back under this number", "NODE", ""},
    {"cluster lead", "Have a node lead a shard", "SHARD NODE", ""},
    {"cluster shards", "Who leads each shard, since when, and who has it in sync", "", ""},
    {"actors", "How many actors run", "", ""},
    {"snapshot", "Save a merchant's state now, or everyone's", "[ID]", ""},
    {"seal", "Move everything committed from the log into the history now", "", ""},
    {"history", "A merchant's blocks of history", "ID", ""},
    {"passivate", "End a merchant's aggregator after a snapshot", "ID", ""},
    {"rebuild", "Replay a merchant's journal and compare", "ID", ""},
    {"rejects list", "Refused events that were kept", "ID", ""},
    {"rejects retry", "Send refused events again", "ID", ""},
    {"log tail", "The last commit rounds", "[ROUNDS]", ""},
    {"log dump", "One commit round with its events", "ROUND", ""},
    {"loglevel", "Change what the node logs: error, warn, info or debug", "LEVEL", ""},
    {"audit", "Admin actions, oldest first", "", ""},
    {"backup", "Write a checkpoint of the node's data", "DIRECTORY", ""},
}};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string group_doc(const std::string& about) {
  return (about.front() == 'a' ? "Commands about an " : "Commands about a ") + about;
}

/// The node, or the group made on the way to it.
CLI::App* command_at(CLI::App& root, const remote_command& remote) {
  auto* at = &root;
  const auto path = split(remote.path);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto same =
        at->get_subcommands([&](const CLI::App* one) { return one->get_name() == path[i]; });
    auto* next = same.empty() ? nullptr : same.front();
    if (next == nullptr) {
      const bool is_group = i + 1 < path.size();
      next = at->add_subcommand(path[i], is_group ? group_doc(path[i]) : std::string{remote.doc});
      if (is_group) next->require_subcommand(1);
    }
    at = next;
  }
  return at;
}

struct typed {
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<std::string> switches;
};

void add_flags(CLI::App& command, const remote_command& remote, typed& into) {
  if (!remote.words.empty()) {
    const bool optional = remote.words.front() == '[';
    const auto name = optional ? remote.words.substr(1, remote.words.size() - 2) : remote.words;
    const auto count = std::ranges::count(remote.words, ' ') + 1;
    command.add_option(std::string{name.substr(0, name.find(' '))}, into.words)
        ->required(!optional)
        ->expected(static_cast<int>(count));
  }
  const auto options = split(remote.options);
  into.options.reserve(options.size());
  for (const auto& text : options) {
    const bool required = text.back() == '!', many = text.back() == '*';
    const auto colon = text.find(':');
    if (colon == std::string::npos) {
      const auto put = [&into, text](std::int64_t) { into.switches.push_back("--" + text); };
      command.add_flag_function("--" + text, put);
      continue;
    }
    const auto type = text.substr(colon + 1, text.size() - colon - (required || many ? 2 : 1));
    auto& kept = into.options.emplace_back(text.substr(0, colon), "");
    auto* const option = command.add_option("--" + kept.first, kept.second, type);
    option->required(required);
    if (many) option->join(',');
  }
}

int run_remote(const remote_command& remote, const typed& given, const client_flags& flags) {
  auto words = split(remote.path);
  words.insert(words.end(), given.words.begin(), given.words.end());
  for (const auto& [name, value] : given.options) {
    if (value.empty()) continue;
    words.push_back("--" + name);
    words.push_back(value);
  }
  words.insert(words.end(), given.switches.begin(), given.switches.end());
  const auto whole = with_file_texts(words);
  if (!whole) return report(whole.error());
  const auto client = flags.connect();
  if (!client) return report(client.error());
  const auto reply = (*client)->run(*whole);
  return reply ? show_reply(*reply, flags.output()) : report(reply.error());
}

}  // namespace

void add_console_commands(CLI::App& root, action& chosen) {
  for (const auto& remote : remote_commands) {
    auto* command = command_at(root, remote);
    const auto given = std::make_shared<typed>();
    add_flags(*command, remote, *given);
    command->callback([&chosen, &remote, given, flags = client_flags{*command}] {
      chosen = [&remote, given, flags] { return run_remote(remote, *given, flags); };
    });
  }
}

}  // namespace tally::apps
