#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "actors/console_client.hpp"
#include "api/load_driver.hpp"
#include "apps/child_node.hpp"
#include "apps/commands.hpp"
#include "domain/load_law.hpp"

namespace tally::apps {

/// What `tally bench run` was asked for.
struct bench_options {
  double seconds = 3;  // of each figure
  std::uint32_t merchants = 100'000;
  std::uint32_t idle_merchants = 1'000'000;
  std::vector<std::uint32_t> batches{1, 100, 1'000, 10'000};
  std::vector<std::size_t> connections{1, 16, 64};
  bool quick = false;             // a few figures, small: shows that the bench itself works
  std::string folder;             // parent of what is made; empty: $TMPDIR
  std::vector<std::string> only;  // sections; empty: all
};

/// One figure, beside what it is held against.
struct bench_figure {
  std::string what, unit;
  double value = 0, ceiling = 0;  // ceiling 0: none
  std::string ceiling_name, note;
};

/// A node of its own in a folder of its own, with a platform key.
class bench_node {
 public:
  static result<std::unique_ptr<bench_node>> start(const std::string& folder);

  /// Kills the node and starts another over the same folder; gives seconds from start to ready.
  result<double> restart(bool kill);
  result<nlohmann::json> run(const std::vector<std::string>& words);
  [[nodiscard]] const std::string& http() const { return node_->http(); }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] std::uint64_t resident_bytes() const;
  [[nodiscard]] double cpu_seconds() const;

 private:
  bench_node() = default;
  status connect();

  std::string folder_, key_;
  std::unique_ptr<child_node> node_;
  std::unique_ptr<actors::console_client> console_;
};

/// Requests made beforehand, of `batch` events each, and how many of them were handed out.
class bench_requests {
 public:
  /// Events [first, first + count) of the law, at the wall clock where `live`.
  bench_requests(const load_law& law, std::uint64_t first, std::uint64_t count, std::uint32_t batch,
                 std::string_view key, bool live);
  /// The next request; empty at the end, or once `until` has passed.
  std::string_view next(std::chrono::steady_clock::time_point until);
  [[nodiscard]] std::uint64_t events_given() const { return events_given_; }

 private:
  std::vector<std::string> requests_;
  std::uint64_t count_ = 0, events_given_ = 0;
  std::uint32_t batch_ = 0;
  std::size_t at_ = 0;
};

/// Drives a node with a load and checks that every event was accepted, once.
struct ingest_run {
  std::uint64_t events = 0;
  double events_per_s = 0, cpu_us_per_event = 0;
  api::drive_result answers;
};
result<ingest_run> run_ingest(const bench_node& node, bench_requests& requests,
                              std::size_t connections, double seconds, double requests_per_s = 0);

/// The ceilings, measured with the same events on the same machine in the same run.
/// Chunks of events written to a journal of its own, one fsync a round of `round_events`.
result<double> journal_ceiling(const std::string& folder, std::uint32_t round_events,
                               double seconds);
/// Native events parsed and encoded by one thread.
result<double> parse_ceiling(double seconds);
/// Requests of `batch` events answered by a server whose handler does nothing.
result<double> server_ceiling(std::uint32_t batch, std::size_t connections, double seconds);

/// The sections of the run. Each adds its figures.
using figures = std::vector<bench_figure>;
status bench_ingest(bench_node& node, const bench_options& options, figures& into);
status bench_questions(bench_node& node, const bench_options& options, figures& into);
status bench_recovery(bench_node& node, const bench_options& options, figures& into);
status bench_memory(const bench_options& options, figures& into);

void add_bench_run(CLI::App& bench, action& chosen);
void add_bench_generate(CLI::App& bench, action& chosen);

}  // namespace tally::apps
