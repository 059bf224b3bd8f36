#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/follow_job.hpp"
#include "api/import_job.hpp"
#include "apps/client.hpp"
#include "persistence/registry.hpp"

namespace tally::apps {

namespace {

std::atomic<bool> interrupted{false};

void interrupt(int) {
  interrupted = true;
}

struct typed_import {
  std::string merchant, format, map, site, resume, rejects, state;
  std::vector<std::string> files;
  bool follow = false;
};

/// Chooses how files are read; bad_option or not_found where flags do not fit.
result<std::function<std::unique_ptr<api::import_reader>()>> reader_maker(
    const typed_import& typed) {
  using maker = std::function<std::unique_ptr<api::import_reader>()>;
  const auto merchant = typed.merchant;
  if (typed.format == "ndjson") return maker{[=] { return api::make_ndjson_reader(merchant); }};
  if (merchant.empty()) return failure{errc::bad_option, "--merchant is needed for this format"};
  if (typed.format != "csv") {
    const auto form = typed.format == "common" ? log_form::common : log_form::combined;
    return maker{[=, site = typed.site] { return api::make_log_reader(merchant, form, site); }};
  }
  if (typed.map.empty()) return failure{errc::bad_option, "--map is needed for csv"};
  auto mapping = api::read_mapping(typed.map);
  if (!mapping) return mapping.error();
  if (typed.follow && !mapping->group_by.empty()) {
    return failure{errc::bad_option,
                   typed.map + ": group_by: rows of a file that grows cannot be grouped"};
  }
  return maker{[=, m = std::move(*mapping)] { return api::make_csv_reader(merchant, m); }};
}

void show_progress(const api::import_progress& p) {
  const auto seconds = static_cast<double>(p.elapsed.count()) / 1'000;
  const auto rate = seconds > 0 ? static_cast<double>(p.events_sent) / seconds : 0;
  std::string left = "?";
  if (p.bytes_total > 0 && p.bytes_read > 0) {
    const auto share = static_cast<double>(p.bytes_read) / static_cast<double>(p.bytes_total);
    left = std::to_string(static_cast<long>(seconds / share - seconds)) + " s";
    std::fprintf(stderr, "\r%3.0f %%  ", std::min(100.0, share * 100));
  } else {
    std::fputs("\r", stderr);
  }
  std::fprintf(stderr, "%llu events  %.0f/s  %s left \x1b[K",
               static_cast<unsigned long long>(p.events_sent), rate, left.c_str());
}

void show_summary(const api::import_summary& s, const std::string& output) {
  nlohmann::ordered_json out{{"events", s.events},
                             {"accepted", s.accepted},
                             {"duplicate", s.duplicate},
                             {"pending", s.pending},
                             {"skipped", s.skipped},
                             {"stopped", s.stopped},
                             {"elapsed_ms", s.elapsed.count()}};
  auto refused = nlohmann::ordered_json::array();
  for (const auto& [code, r] : s.refused) {
    refused.push_back({{"code", code}, {"count", r.count}, {"first", r.first}});
  }
  if (output == "json") {
    out["refused"] = refused;
    std::puts(out.dump().c_str());
    return;
  }
  show_reply(out.dump(), output);
  if (refused.empty()) return;
  std::puts("");
  show_reply(nlohmann::ordered_json{{"refused", refused}}.dump(), output);
}

void show_following(const api::import_progress& p) {
  const auto seconds = static_cast<double>(p.elapsed.count()) / 1'000;
  const auto rate = seconds > 0 ? static_cast<double>(p.events_sent) / seconds : 0;
  std::fprintf(stderr, "\r%llu events  %.1f/s  %llu bytes behind  %s \x1b[K",
               static_cast<unsigned long long>(p.events_sent), rate,
               static_cast<unsigned long long>(p.bytes_behind), p.file.c_str());
}

/// A key that was made for this import alone. `before`: one that an import before it left.
result<api::follow_session> open_session(const typed_import& typed, const client_flags& flags,
                                         const std::string& before) {
  const auto client = flags.connect();
  if (!client) return client.error();
  if (!typed.merchant.empty()) {
    const auto known = (*client)->run({"merchant", "show", typed.merchant});
    if (!known) return known.error();
  }
  const auto session = (*client)->run({"import", "session"});
  if (!session) return session.error();
  const auto reply = nlohmann::json::parse(*session, nullptr, false);
  if (!reply.is_object() || !reply.contains("http") || !reply.contains("key")) {
    return failure{errc::corrupt_record, "the node's import session cannot be read"};
  }
  if (!before.empty()) static_cast<void>((*client)->run({"key", "revoke", before}));
  api::follow_session made{reply.at("http"), reply.at("key"), {}};
  made.id = persistence::hash_of_key(made.key).substr(0, 16);
  return made;
}

void end_session(const client_flags& flags, const std::string& id) {
  if (id.empty()) return;
  const auto client = flags.connect();
  if (client) static_cast<void>((*client)->run({"key", "revoke", id}));
}

api::import_options options_of(const typed_import& typed) {
  api::import_options options;
  options.files = typed.files;
  options.merchant = typed.merchant;
  options.resume_file = typed.resume;
  options.rejects_file = typed.rejects;
  options.stop = &interrupted;
  options.on_message = [](const std::string& text) {
    std::fprintf(stderr, "tally: %s\n", text.c_str());
  };
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  return options;
}

int run_once(const typed_import& typed, const client_flags& flags, api::import_options options) {
  const auto session = open_session(typed, flags, {});
  if (!session) return report(session.error());
  options.http = session->http;
  options.key = session->key;
  const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
  if (on_terminal) options.on_progress = show_progress;
  const auto summary = api::run_import(options);
  if (on_terminal) std::fputs("\n", stderr);
  end_session(flags, session->id);
  if (!summary) return report(summary.error());
  show_summary(*summary, flags.output());
  return summary->stopped ? exit_interrupted : exit_ok;
}

int run_following(const typed_import& typed, const client_flags& flags,
                  api::import_options import) {
  api::follow_options options;
  options.merchant = typed.merchant;
  options.format = typed.format;
  options.state_file = typed.state.empty() ? typed.files.front() + ".tally" : typed.state;
  options.import = std::move(import);
  const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
  if (on_terminal) options.import.on_progress = show_following;
  std::string id;
  options.open_session = [&](const std::string& before) {
    auto made = open_session(typed, flags, before);
    if (made) id = made->id;
    return made;
  };
  const auto summary = api::run_follow(options);
  if (on_terminal) std::fputs("\n", stderr);
  end_session(flags, id);
  if (!summary) return report(summary.error());
  if (summary->stopped) {
    options.import.on_message("the node took not all that was read; the next run sends the rest");
  }
  show_summary(*summary, flags.output());
  return exit_ok;
}

int run(const typed_import& typed, const client_flags& flags) {
  const bool stdin_named = std::ranges::find(typed.files, "-") != typed.files.end();
  if (typed.follow && (!typed.resume.empty() || stdin_named)) {
    return report({errc::bad_option, "--follow takes files and keeps its place in --state"});
  }
  if (!typed.follow && !typed.state.empty()) {
    return report({errc::bad_option, "--state belongs to --follow; --resume is meant"});
  }
  auto maker = reader_maker(typed);
  if (!maker) return report(maker.error());
  auto options = options_of(typed);
  options.make_reader = std::move(*maker);
  return typed.follow ? run_following(typed, flags, std::move(options))
                      : run_once(typed, flags, std::move(options));
}

}  // namespace

void add_import(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("import", "Send events from files to a node");
  command->footer(
      "Repeats are harmless: an event read from the same line has the same id.\n"
      "Examples:\n"
      "  tally import --merchant site --format combined --site https://site.example access.log.gz\n"
      "  tally import --merchant shop --format csv --map config/maps/online-retail.toml "
      "invoices.csv\n"
      "  tally import --merchant site --format combined --follow /var/log/nginx/access.log\n"
      "  tally bench generate --events 1000000 | tally import --format ndjson -");
  auto typed = std::make_shared<typed_import>();
  command->add_option("--merchant", typed->merchant, "ID; ndjson lines may name their own");
  command->add_option("--format", typed->format, "ndjson, combined, common or csv")
      ->required()
      ->check(CLI::IsMember({"ndjson", "combined", "common", "csv"}));
  command->add_option("--map", typed->map, "How CSV columns become events (TOML)");
  command->add_option("--site", typed->site, "Put before the paths of a log: https://site.example");
  command->add_option("--resume", typed->resume, "File that remembers how far an import came");
  command->add_flag("--follow", typed->follow,
                    "Go on with what is written from now on, and over "
                    "rotations, until SIGTERM");
  command->add_option("--state", typed->state,
                      "File that remembers how far --follow came [FILE.tally beside the first]");
  command->add_option("--rejects", typed->rejects, "File for refused lines, one JSON object each");
  command->add_option("FILE", typed->files, "Plain or gzip; - for standard input")->required();
  command->callback([&chosen, typed, flags = client_flags{*command}] {
    chosen = [typed, flags] { return run(*typed, flags); };
  });
}

}  // namespace tally::apps
