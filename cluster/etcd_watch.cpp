#include "cluster/etcd_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "cluster/etcd_json.hpp"

namespace tally::cluster {

etcd_watch::etcd_watch(etcd_options options, std::string prefix, observer on_change)
    : options_{std::move(options)}, prefix_{std::move(prefix)}, on_change_{std::move(on_change)} {
  ensure(validate(options_).ok(), "etcd_watch with unchecked options");
  follower_ = std::thread{[this] { follow(); }};
  guard_ = std::thread{[this] { guard(); }};
}

etcd_watch::~etcd_watch() {
  {
    const std::lock_guard lock{mutex_};
    is_ending_ = true;
    end_stream();
  }
  ends_.notify_all();
  follower_.join();
  guard_.join();
}

std::uint64_t etcd_watch::revision() const {
  const std::lock_guard lock{mutex_};
  return revision_;
}

etcd_watch::counts etcd_watch::counted() const {
  const std::lock_guard lock{mutex_};
  return counts_;
}

/// False where the object ends.
bool etcd_watch::pause(std::chrono::milliseconds time) {
  std::unique_lock lock{mutex_};
  return !ends_.wait_for(lock, time, [this] { return is_ending_; });
}

/// With the mutex held.
void etcd_watch::end_stream() {
  if (stream_) stream_->cancel();
}

void etcd_watch::tell(std::string key, std::optional<etcd_entry> entry) {
  if (entry) {
    entries_[key] = *entry;
  } else {
    entries_.erase(key);
  }
  on_change_({std::move(key), std::move(entry)});
}

/// Reads everything and tells what differs. `known_before` is what was known when the read began: a
/// linearizable one that knows less comes from a store that was restored or wiped.
bool etcd_watch::reread(etcd_client& client, std::uint64_t known_before) {
  auto found = client.get_prefix(prefix_);
  if (!found) return false;
  const std::lock_guard lock{mutex_};
  ++counts_.rereads;
  const bool went_back = found->revision < known_before;
  if (went_back) {
    ++counts_.regressions;
    spdlog::error("etcd_went_back prefix={} revision={} known={}", prefix_, found->revision,
                  known_before);
  }
  if (found->revision <= revision_ && !went_back) return true;
  revision_ = found->revision;
  std::map<std::string, etcd_entry> fresh;
  for (auto& entry : found->entries) fresh.emplace(entry.key, std::move(entry));
  std::vector<std::string> gone;
  for (const auto& [key, entry] : entries_) {
    if (!fresh.contains(key)) gone.push_back(key);
  }
  for (auto& key : gone) tell(std::move(key), std::nullopt);
  for (auto& [key, entry] : fresh) {
    const auto known = entries_.find(key);
    const bool is_same =
        known != entries_.end() && !went_back && known->second.mod_revision == entry.mod_revision;
    if (!is_same) tell(key, std::move(entry));
  }
  return true;
}

/// Those of one revision come in one line; what a read told already is passed over.
void etcd_watch::take_events(std::vector<etcd_event> events) {
  const std::lock_guard lock{mutex_};
  const auto known = revision_;
  for (auto& event : events) {
    const auto revision = event.entry.mod_revision;
    if (revision <= known) continue;
    revision_ = std::max(revision_, revision);
    auto key = event.entry.key;
    if (event.is_delete) {
      tell(std::move(key), std::nullopt);
    } else {
      tell(std::move(key), std::move(event.entry));
    }
  }
}

/// False where the watch is at its end and everything must be read again.
bool etcd_watch::take_line(std::string_view line) {
  auto parsed = parse_watch_line(line);
  if (!parsed) {
    spdlog::warn("etcd_watch_ended prefix={} reason={}", prefix_, parsed.error().detail);
    return false;
  }
  if (parsed->is_created || parsed->compact_revision > 0) {
    const std::lock_guard lock{mutex_};
    if (parsed->is_created) ++counts_.streams;
    if (parsed->compact_revision > 0) ++counts_.compactions;
  }
  take_events(std::move(parsed->events));
  return !parsed->is_cancelled;
}

void etcd_watch::watch_from(const std::string& endpoint, const std::string& token,
                            std::uint64_t revision) {
  exchange_request request{"/v3/watch", watch_request(prefix_, revision + 1), {}};
  // Else the watch of a member without a leader hangs in silence.
  request.headers.emplace_back("Grpc-Metadata-hasleader", "true");
  if (!token.empty()) request.headers.emplace_back("Authorization", token);
  auto stream = std::make_shared<http_exchange>(endpoint, options_.exchange);
  {
    const std::lock_guard lock{mutex_};
    if (is_ending_) return;
    stream_ = stream;
  }
  const auto ended =
      stream->stream(request, [this](std::string_view line) { return take_line(line); });
  const std::lock_guard lock{mutex_};
  stream_.reset();
  if (ended || is_ending_) return;
  spdlog::warn("etcd_watch_ended prefix={} reason={}", prefix_, ended.error().text());
}

void etcd_watch::follow() {
  etcd_client client{options_};
  do {
    const auto known = revision();
    if (!reread(client, known)) continue;
    const auto token = client.token();
    if (!token) continue;
    std::uint64_t from = 0;
    {
      const std::lock_guard lock{mutex_};
      from = revision_;
      endpoint_ = static_cast<std::size_t>(
          std::ranges::find(options_.endpoints, client.endpoint()) - options_.endpoints.begin());
    }
    watch_from(client.endpoint(), *token, from);
    client.use_next_endpoint();
  } while (pause(options_.retry_pause));
}

/// Looks at another endpoint than the watch's. What differs may only be on its way to the watch;
/// one that tells nothing for another interval is silent.
void etcd_watch::guard() {
  std::uint64_t differed_at = 0;  // the revision then known; 0: nothing differed
  while (pause(options_.watchdog_interval)) {
    std::size_t other = 0;
    std::uint64_t known = 0;
    {
      const std::lock_guard lock{mutex_};
      other = endpoint_ + 1;
      known = revision_;
    }
    if (known == 0) continue;
    etcd_client client{options_, other};
    const auto found = client.get_prefix(prefix_);
    if (!found) continue;
    const bool went_back = found->revision < known;
    const bool differs = went_back || !is_known(*found);
    const bool is_silent = went_back || (differs && differed_at == known);
    differed_at = differs ? known : 0;
    if (!is_silent || !reread(client, known)) continue;
    const std::lock_guard lock{mutex_};
    ++counts_.silences;
    end_stream();
  }
}

bool etcd_watch::is_known(const etcd_range& range) const {
  const std::lock_guard lock{mutex_};
  return std::ranges::equal(range.entries, entries_, [](const etcd_entry& a, const auto& b) {
    return a.key == b.first && a.mod_revision == b.second.mod_revision;
  });
}

}  // namespace tally::cluster
