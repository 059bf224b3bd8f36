#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "api/http_message.hpp"
#include "api/ingest_native.hpp"
#include "domain/load_law.hpp"
#include "domain/shard.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/generation_builder.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/sealer.hpp"

/// What history costs: bytes an event against its JSON, CPU of sealing, speed of reading; for the
/// standard load. Arguments: events, merchants, MiB of log in one seal. Checks what it reads.
namespace {

using namespace tally;
using namespace tally::persistence;

constexpr std::uint32_t body_events = 1'000;

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

template <class T>
T must(result<T> r) {
  if (!r) stop(r.error().text());
  return std::move(*r);
}

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

struct written {
  std::uint64_t events = 0, json_bytes = 0, encoded_bytes = 0, checksum = 0;
};

std::uint64_t checksum_of(std::string_view bytes) {
  return merchant_hash(bytes);  // any hash of bytes; sums do not depend on the order
}

/// Bodies of the load as commit rounds.
class load_writer {
 public:
  load_writer(journal& log, const load_law& law) : log_{log}, law_{law}, ends_(shard_count) {}

  void append(std::uint64_t first, std::uint32_t count) {
    std::string body;
    for (std::uint64_t i = 0; i < count; ++i) law_.append_line(body, first + i);
    total.json_bytes += body.size();
    const auto now = law_.time_of(first + count - 1);
    body.reserve(body.size() + api::body_padding);
    api::ingest_context context;
    context.platform = true;
    context.now = now;
    context.limits.events_max = count;
    auto parsed = api::parse_native(body, context);
    const auto* batch = std::get_if<api::parsed_batch>(&parsed);
    if (batch == nullptr || !batch->rejected.empty()) stop("the load was refused");
    append(*batch, now);
  }

  written total;

 private:
  void append(const api::parsed_batch& batch, event_time now) {
    std::map<std::uint16_t, chunk> chunks;
    for (const auto& e : batch.events) {
      const auto bytes = std::string_view{batch.bytes}.substr(e.begin, e.size);
      auto& c = chunks[shard_of(e.merchant_hash)];
      byte_writer{c.payload}.text(bytes);
      ++c.header.count;
      ++total.events;
      total.encoded_bytes += bytes.size();
      total.checksum += checksum_of(bytes);
    }
    std::vector<chunk_ptr> round;
    for (auto& [shard, c] : chunks) {
      auto& end = ends_[shard];
      c.header.shard = shard;
      c.header.epoch = 1;
      c.header.base = end.next_offset;
      c.header.stamped_at = now;
      seal(c, end.chain);
      end = {end.next_offset + c.header.count, c.header.chain, 1, to_ms(now)};
      round.push_back(std::make_shared<const chunk>(std::move(c)));
    }
    must(log_.append(round, {}));
  }

  journal& log_;
  const load_law& law_;
  std::vector<shard_end> ends_;
};

/// Counts everything, so that ids and texts are saved.
void count_all(const journal& log, state_store& store) {
  const rules_ptr rules = std::make_shared<const generation_rules>(first_rules(ruleset{}, {}));
  generation_builder builder{log,
                             store,
                             first_generation,
                             build_place,
                             [&](std::string_view) -> rules_ptr { return rules; },
                             id_use::own};
  must(builder.resume());
  while (builder.next() <= log.last_round()) must(builder.step(log.last_round() + 1, 1'000'000));
  must(builder.save());
  must(store.flush());
}

void check_all(const history& h, const written& total) {
  std::uint64_t events = 0, checksum = 0;
  const auto began = cpu_seconds();
  for (std::uint32_t shard = 0; shard < shard_count; ++shard)
    for (std::string after;;) {
      const auto merchants = must(h.list_merchants(static_cast<std::uint16_t>(shard), after, 100));
      if (merchants.empty()) break;
      after = merchants.back();
      for (const auto& merchant : merchants)
        must(h.for_each_event(static_cast<std::uint16_t>(shard), merchant, 0,
                              [&](std::uint64_t, event_time, std::string_view bytes) {
                                ++events;
                                checksum += checksum_of(bytes);
                                return true;
                              }));
    }
  const auto seconds = cpu_seconds() - began;
  if (events != total.events || checksum != total.checksum)
    stop("history gives other events than were written");
  std::printf("whole events read    %10.0f /s of CPU (%llu, all as written)\n",
              static_cast<double>(events) / seconds, static_cast<unsigned long long>(events));
}

/// Reads some columns of the largest merchant again and again.
void read_largest(const history& h, const char* what, const column_wish& wish) {
  const auto merchant = load_merchant_name(0);
  const auto shard = shard_of(merchant_hash(merchant));
  const auto blocks = must(h.list_blocks(shard, merchant));
  std::uint64_t rows = 0;
  const auto began = cpu_seconds();
  while (cpu_seconds() - began < 1)
    for (const auto& block : blocks)
      rows += must(h.read_columns(shard, merchant, block, wish)).rows;
  std::printf("%-20s %10.0f rows/s of CPU, %zu blocks\n", what,
              static_cast<double>(rows) / (cpu_seconds() - began), blocks.size());
}

void report(const written& total, const sealer_counts& counts, double seconds, const history& h) {
  const auto events = static_cast<double>(total.events);
  std::printf("events               %10llu in %llu seals, %llu rewritten by merging\n",
              static_cast<unsigned long long>(total.events),
              static_cast<unsigned long long>(counts.seals),
              static_cast<unsigned long long>(counts.merged_events));
  std::printf("JSON                 %10.1f bytes/event\n",
              static_cast<double>(total.json_bytes) / events);
  std::printf("in the log           %10.1f bytes/event, not packed\n",
              static_cast<double>(total.encoded_bytes) / events);
  std::printf("in history           %10.1f bytes/event\n", static_cast<double>(h.bytes()) / events);
  std::printf("sealing              %10.2f s of CPU per million events\n", seconds * 1e6 / events);
}

void run(const std::string& folder, const load_options& load, std::uint64_t seal_mib) {
  journal_options log_options;
  log_options.path = folder + "/journal";
  const auto log = must(journal::open(log_options));
  const load_law law{load};
  load_writer writer{*log, law};
  for (std::uint64_t i = 0; i < load.events; i += body_events)
    writer.append(
        i, static_cast<std::uint32_t>(std::min<std::uint64_t>(body_events, load.events - i)));
  state_options state_options;
  state_options.path = folder + "/state";
  const auto store = must(state_store::open(state_options));
  count_all(*log, *store);
  history_options options;
  options.path = folder + "/history";
  const auto h = must(history::open(options));
  sealer_options how;
  how.bytes_max = seal_mib << 20;
  sealer s{*log, *store, *h, serving_owners(*log, *store), how};
  const auto began = cpu_seconds();
  while (must(s.step(log->last_round() + 1))) {
  }
  report(writer.total, s.counts(), cpu_seconds() - began, *h);
  check_all(*h, writer.total);
  column_wish wish;
  wish.numbers = {number_field::at, number_field::outcome};
  wish.texts = {text_field::name};
  read_largest(*h, "name and time", wish);
  wish.texts.insert({text_field::visitor, text_field::url});
  read_largest(*h, "and visitor, url", wish);
  must(log->close());
}

}  // namespace

int main(int argc, char** argv) {
  tally::load_options load;
  load.events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  load.merchants =
      argc > 2 ? static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)) : 10'000;
  const auto folder = std::filesystem::temp_directory_path() /
                      ("tally-history-bench-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  run(folder.string(), load, argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 64);
  std::filesystem::remove_all(folder);
}
