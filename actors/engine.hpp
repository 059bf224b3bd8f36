#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/submission.hpp"
#include "domain/funnel.hpp"
#include "domain/journeys.hpp"
#include "domain/query.hpp"
#include "domain/result.hpp"
#include "domain/retention.hpp"
#include "domain/time.hpp"
#include "persistence/daily_salts.hpp"
#include "persistence/named_filter_store.hpp"
#include "persistence/source_position.hpp"

namespace tally::actors {

class replication;

/// Limits and places of a node's engine. Validated once, by engine::start.
struct engine_options {
  std::string data_dir;
  std::string console_host = "127.0.0.1";
  std::uint16_t console_port = 0;                     // 0: any free one
  std::function<void(const std::string&)> on_broken;  // journal failed for good: end the process
  std::function<void()> on_drain;    // the console asked for it: drain and end as on SIGTERM
  std::string default_zone = "UTC";  // of merchants that a platform key creates
  std::string default_currency = "USD";
  std::uint64_t state_memory_max = 2ull << 30;   // bytes of live aggregators
  std::uint64_t ids_bytes_max = 1ull << 30;      // of which recognised ids
  std::uint64_t queue_bytes_max = 256ull << 20;  // accepted, not yet applied, per node
  std::uint64_t merchant_queue_bytes_max = 64ull << 20;
  std::uint64_t snapshot_queue_bytes_max = 64ull << 20;  // on their way to the state database
  std::chrono::milliseconds passivate_after{300'000};    // idle time
  std::chrono::milliseconds visible_patience{1'000};     // after that a durable batch answers 202
  std::chrono::milliseconds flush_interval{30'000};      // of the state database
  std::uint64_t log_unsealed_bytes_max = 2ull << 30;     // tail that a restart may have to read
  std::uint64_t segment_bytes = 1ull << 30;
  std::uint64_t reserve_bytes = 256ull << 20;
  std::uint64_t block_cache_bytes = 256ull << 20;
  std::uint64_t live_events_max = 10'000;        // of one merchant's live numbers
  std::uint64_t live_bytes_max = 64ull << 20;    // of all live numbers of the node
  std::chrono::milliseconds live_keep{120'000};  // after the last one who looked
  std::uint32_t live_subscriptions_max = 5'000;  // of the node
  std::uint32_t live_merchant_subscriptions_max = 1'000;
  std::uint32_t write_events_per_s = 0;    // per merchant, 0: no limit
  std::uint32_t chunks_in_flight_max = 4;  // per lane
  std::chrono::microseconds commit_delay{
      200};                           // how long a sync waits for more requests to share it
  std::uint32_t commit_siblings = 5;  // where the one before served so many
  std::uint32_t reprocess_events_per_s = 100'000;  // that a generation is built at, 0: no limit
  std::uint32_t query_workers = 2;
  std::uint32_t scan_workers = 2;           // threads for questions that need events
  std::uint32_t scans_waiting_max = 1'000;  // questions that wait for one of them
  std::uint64_t seal_bytes = 256ull << 20;  // of log that is saved and not sealed, then it is
  std::chrono::milliseconds seal_interval{300'000};  // or after that time
  std::uint64_t keep_log_bytes = 1ull << 30;         // of sealed log and the rest; more is dropped
  std::uint32_t io_workers = 2;
  std::uint32_t scheduler_threads = 0;            // 0: as many as cores
  std::chrono::milliseconds lock_timeout{5'000};  // for a killed predecessor to be gone
  std::string crash_at;                           // tests only, see crash_points.hpp
  // Of a node of a cluster; not owned, outlives the engine. actors/replication.hpp
  replication* copies = nullptr;
};

enum class key_scope : std::uint8_t { write = 1, read = 2, platform = 3, admin = 4 };

/// What a key may do.
struct key_facts {
  key_scope scope = key_scope::write;
  std::string merchant;            // empty for platform and admin keys
  bool may_create = true;          // platform: unknown merchants are created
  std::uint32_t events_per_s = 0;  // 0: the node's default
  std::uint32_t queries_per_s = 0;
  bool honours_gpc = false;  // write: the merchant stores nobody who asks not to be followed
};

/// What a foreign protocol's name stands for.
struct alias_facts {
  std::string merchant;
  bool honours_gpc = false;  // as in key_facts
};

/// Everything about one merchant that GET /v1/merchant shows.
struct merchant_report {
  std::string merchant, zone, currency;
  std::uint32_t generation = 1;
  event_time as_of{}, complete_through{};
  operations_row ledger;
};

/// Where an answer must have got to: one (shard, offset) for each shard touched.
struct ack_position {
  std::uint16_t shard = 0;
  std::uint64_t offset = 0;
};

struct query_reply {
  answer table;  // domain/query.hpp
  event_time as_of{}, complete_through{};
  std::uint32_t generation = 1;
  std::uint64_t rows_read = 0;       // of totals
  std::uint64_t events_read = 0;     // where it was answered from single events
  std::uint64_t blocks_skipped = 0;  // of history, without looking into them
};

/// A stretch of a merchant's journal that a client wants.
struct export_wish {
  std::string merchant;
  std::uint64_t after = 0;  // offset behind which it begins
  std::uint32_t events_max = 1'000;
  std::uint64_t bytes_max = 4u << 20;  // of encoded events; at least one event is given
  // Dates in the merchant's zone or RFC 3339 times, both included: only events of that time. Both
  // or neither.
  std::string from, to;
};

struct exported_event {
  std::uint64_t offset = 0;
  std::string bytes;  // as persistence::decode_event reads it
};

struct export_page {
  std::vector<exported_event> events;  // in the order of their offsets
  std::uint64_t next = 0;              // export_wish::after of the next page
  bool more = false;                   // there may be some
  event_time as_of{};
};

struct funnel_reply {
  query_reply meta;  // without a table
  funnel_answer table;
};
struct retention_reply {
  query_reply meta;  // without a table
  retention_answer table;
};
struct journeys_reply {
  query_reply meta;  // without a table
  journeys_answer table;
};

template <class T>
using callback = std::function<void(result<T>)>;

/// A node's actors and databases behind functions that know no CAF. Every function may be called
/// from any thread; callbacks run once, on any thread, and must only post elsewhere.
class engine {
 public:
  static result<std::unique_ptr<engine>> start(const engine_options& options);
  ~engine();

  /// Takes events in. A full queue settles them as `unavailable` at once.
  void submit(submission_ptr events);
  /// Checks a key's text against the shard or node table that holds its hash. unauthorized where
  /// unknown, unavailable where it cannot be asked now. Not cached: callers keep answers 5 s.
  void find_key(std::string key, callback<key_facts> then);
  /// The merchant that a foreign protocol's name stands for (persistence::alias_text); not_found
  /// where unknown, anything else where it cannot be asked now. Not cached either.
  void find_alias(std::string alias, callback<alias_facts> then);
  void ask(question q, std::vector<ack_position> after, std::chrono::milliseconds wait_max,
           event_time now, callback<query_reply> then);
  /// What was sent, control events included, duplicates too.
  void export_events(export_wish wish, std::chrono::milliseconds wait_max,
                     callback<export_page> then);
  /// As ask(), from single events.
  void ask_funnel(funnel_question q, std::vector<ack_position> after,
                  std::chrono::milliseconds wait_max, event_time now, callback<funnel_reply> then);
  void ask_retention(retention_question q, std::vector<ack_position> after,
                     std::chrono::milliseconds wait_max, event_time now,
                     callback<retention_reply> then);
  void ask_journeys(journeys_question q, std::vector<ack_position> after,
                    std::chrono::milliseconds wait_max, event_time now,
                    callback<journeys_reply> then);
  void report(std::string merchant, callback<merchant_report> then);
  /// A merchant's goals or segments by name, as this node has them.
  void find_filters(std::string merchant, filter_use use,
                    callback<std::vector<persistence::filter_record>> then);
  /// Where sources of a merchant's events go on, as this node has them.
  void find_positions(std::string merchant,
                      callback<std::vector<persistence::source_position>> then);
  /// Journals positions, for which every event before them must be durable already.
  void keep_positions(std::string merchant, std::vector<persistence::source_position> positions,
                      std::function<void(status)> then);
  /// Whether this node leads the merchant's shard: always, where it is alone.
  [[nodiscard]] bool leads(std::string_view merchant) const;
  /// The feed of a merchant's live numbers, which nobody wakes for it. With `subscribe` it counts
  /// as a subscription until it is let go. over_limit where the merchant has too many of them,
  /// unavailable where the node has.
  void live(std::string merchant, bool subscribe, callback<std::shared_ptr<class live_feed>> then);
  /// A message with live numbers was sent.
  void count_live_message();
  struct merchant_wish {
    std::string merchant;
    bool create = false;  // register it with default settings where it is not known
  };
  /// For each wish, whether the merchant is registered now; `deletions` is from before the look.
  struct found_merchants {
    std::vector<bool> known;
    std::uint32_t deletions = 0;
  };
  /// unavailable or disk_full where one could not be looked up or registered.
  void find_merchants(std::vector<merchant_wish> wishes, callback<found_merchants> then);
  /// How many merchants were deleted since the start: what was known before may have changed.
  [[nodiscard]] std::uint32_t deletions() const;

  /// Adds a command that lives outside the engine, such as "query" or "rejects retry". Before any
  /// is run.
  void add_command(std::string words,
                   std::function<void(std::vector<std::string>, callback<std::string>)> run);
  /// Where clients' imports should send events: what `import session` answers.
  void set_http_address(std::string host_port);
  /// Checks a short-lived signed read token; gives its merchant.
  result<std::string> check_token(std::string_view token) const;
  /// The secrets that name visitors who send no id of their own.
  [[nodiscard]] persistence::daily_salts visitor_salts() const;
  /// The token that console clients must show.
  [[nodiscard]] const std::string& console_token() const;

  /// Runs one console command ("status", "merchant create ...") and gives its JSON text: the same
  /// that the console actor does for clients over CAF.
  void command(std::vector<std::string> words, callback<std::string> then);

  [[nodiscard]] std::uint16_t console_port() const;
  /// Empty while the journal takes writes, else why it does not (disk full, broken).
  [[nodiscard]] std::string not_ready() const;
  /// Prometheus collectable values; see metrics.hpp.
  [[nodiscard]] const struct engine_metrics& metrics() const;

  /// Takes over the limits that may change while running: memory, queues, passivate_after, those of
  /// live numbers and write_events_per_s. bad_option, and no change at all, for options that
  /// start() would refuse.
  status change_limits(const engine_options& options);

  /// Makes not_ready() say so from now on, while everything is still served. May be repeated.
  void leave();
  /// Finishes what was accepted, snapshots every live merchant, flushes and closes. Returns when
  /// done or after `limit`; submit() gives unavailable from the first moment.
  status drain(std::chrono::milliseconds limit);

 private:
  struct impl;
  explicit engine(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::actors
