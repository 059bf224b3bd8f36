#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/http_client.hpp"
#include "api/import_reader.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// How far an import is.
struct import_progress {
  std::string file;
  std::uint64_t bytes_read = 0, bytes_total = 0;  // of all files; total 0: not known
  std::uint64_t bytes_behind = 0;                 // of followed files: written and not yet read
  std::uint64_t events_sent = 0;
  std::chrono::milliseconds elapsed{};
};

struct import_options {
  std::vector<std::string> files;  // plain or gzip; "-": standard input
  std::string http;                // "127.0.0.1:8080"
  std::string key;                 // a platform key
  std::string merchant;            // whose ledger has the refused lines; empty: nobody's
  std::string resume_file;         // empty: none
  std::string rejects_file;        // empty: none
  std::uint32_t batch_events = 1'000;
  std::uint64_t batch_bytes = 4U << 20;
  std::chrono::milliseconds request_timeout{60'000};
  std::chrono::milliseconds patience{300'000};  // with a node that does not take events
  std::function<std::unique_ptr<import_reader>()> make_reader;  // one per file
  std::function<void(const import_progress&)> on_progress;      // about ten times a second
  std::function<void(const std::string&)> on_message;           // for a person
  const std::atomic<bool>* stop = nullptr;                      // ends after the batch on its way
};

struct import_summary {
  /// Lines refused for one reason, and where the first of them stand ("file:line").
  struct refusals {
    std::uint64_t count = 0;
    std::vector<std::string> first;
  };

  std::uint64_t events = 0, accepted = 0, duplicate = 0, pending = 0;
  std::uint64_t skipped = 0;                // sent by an earlier run, as the resume file says
  std::map<std::string, refusals> refused;  // by code
  bool stopped = false;
  std::chrono::milliseconds elapsed{};
};

/// Counts a line that became no event, with where the first ones stand, and writes it down where
/// `rejects` is open.
void note_refused(import_summary& summary, std::ofstream& rejects, const std::string& file,
                  const refused_line& line);

/// Reads the files in order and sends their events in batches to POST /v1/events. Where the node
/// answers 429 or 503, or not at all, the same batch is sent again; events over a merchant's rate
/// are sent again alone. With a resume file an interrupted import goes on behind the last batch
/// that was acknowledged: the files must be the same, or longer. Lines that became no event are
/// sent too, for the ledger, where each counts once like an event.
///
/// not_found where a file is missing, unavailable where patience ran out, conflict where a resume
/// file belongs to other files, else what the node says. Blocks.
result<import_summary> run_import(const import_options& options);

}  // namespace tally::api
