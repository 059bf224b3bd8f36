#include <array>
#include <chrono>
#include <cstdint>

#include "config/setting_values.hpp"
#include "config/settings.hpp"

namespace tally::config {

namespace {

using kind = setting_kind;
constexpr std::uint64_t kib = 1ULL << 10, mib = 1ULL << 20, gib = 1ULL << 30, tib = 1ULL << 40;
constexpr std::uint64_t second = 1'000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
constexpr std::uint64_t any_rate = 1'000'000'000;

constexpr std::uint64_t year_number(int year) {
  using namespace std::chrono;
  return time_number(sys_days{std::chrono::year{year} / January / 1});
}

constexpr std::array table{
    setting{"node", "data_dir", kind::text, "/var/lib/tally", 0, 0, "", "data-dir",
            "Folder of the journal and everything made from it. One process at a time."},
    setting{"node", "console", kind::text, "127.0.0.1:7700", 0, 0, "", "console",
            "Where the console actor listens for client commands. Port 0 takes any free one."},
    setting{"node", "default_zone", kind::text, "UTC", 0, 0, "", "",
            "Time zone of merchants that a platform key creates by naming them."},
    setting{"node", "default_currency", kind::text, "USD", 0, 0, "", "",
            "Currency of merchants that a platform key creates by naming them."},
    setting{"node", "shutdown_timeout", kind::duration, "30s", second, hour, "", "",
            "Longest time from the end of node.drain_delay to the end of the process.", true},
    setting{"node", "drain_delay", kind::duration, "0s", 0, hour, "", "",
            "How long a node that is to end says so on /readyz and still serves, for proxies to "
            "notice.",
            true},
    setting{
        "node", "lock_timeout", kind::duration, "5s", 0, hour, "", "",
        "How long a start waits for the folder's lock, which a killed node holds a moment longer."},

    setting{"http", "listen", kind::list, "127.0.0.1:8080", 0, 0, "", "http",
            "Public listeners: HOST:PORT, [IPV6]:PORT or unix:PATH."},
    setting{"http", "admin", kind::text, "127.0.0.1:9091", 0, 0, "", "admin",
            "Listener of /metrics and health checks. It has no keys: keep it private."},
    setting{"http", "threads", kind::count, "0", 0, 256, "", "",
            "I/O threads. 0: half as many as cores, at least 1."},
    setting{"http", "connections_max", kind::count, "10000", 1, 1'000'000, "", "",
            "Open connections of all public listeners together; more are answered 503.", true},
    setting{"http", "header_bytes_max", kind::size, "16KiB", kib, mib, "", "",
            "Request line and headers.", true},
    setting{"http", "body_bytes_max", kind::size, "5MiB", kib, gib, "", "",
            "A request's body after decompression.", true},
    setting{"http", "header_timeout", kind::duration, "10s", 100, hour, "", "",
            "From a request's first byte to the end of its headers.", true},
    setting{"http", "body_timeout", kind::duration, "30s", 100, hour, "", "",
            "From the end of the headers to the end of the body.", true},
    setting{"http", "write_timeout", kind::duration, "30s", 100, hour, "", "",
            "To hand an answer to the client.", true},
    setting{"http", "idle_timeout", kind::duration, "75s", 100, day, "", "",
            "A kept-alive connection without a request. Longer than that of a proxy in front.",
            true},
    setting{"http", "request_timeout", kind::duration, "10s", 100, hour, "", "",
            "From a whole request to its answer; then 503.", true},
    setting{"http", "web_socket_idle_timeout", kind::duration, "60s", second, day, "", "",
            "A WebSocket that says nothing is pinged after half of it, then dropped.", true},
    setting{"http", "stream_messages_max", kind::count, "16", 1, 10'000, "", "",
            "Messages of one /v1/stream without an answer; then nothing more is read from it.",
            true},
    setting{"http", "trusted_proxies", kind::list, "", 0, 0, "", "",
            "Networks (10.0.0.0/8, fd00::/8) whose X-Forwarded-For is believed.", true},
    setting{"http", "cors_origins", kind::list, "", 0, 0, "", "",
            "Origins whose pages may ask questions; * for all. Writing is open to every origin.",
            true},

    setting{"events", "event_bytes_max", kind::size, "256KiB", kib, 16 * mib, "", "", "One event.",
            true},
    setting{"events", "body_events_max", kind::count, "10000", 1, 1'000'000, "", "",
            "Events of one request.", true},
    setting{"events", "props_max", kind::count, "64", 1, 1'000, "", "", "Properties of one event.",
            true},
    setting{"events", "depth_max", kind::count, "8", 1, 64, "", "", "Nesting of one event.", true},
    setting{"events", "ahead_max", kind::duration, "1h", 0, 7 * day, "", "",
            "How far an event's time may be ahead of the node's clock.", true},
    setting{"events", "at_oldest", kind::time, "1970-01-01T00:00:00Z", year_number(1800),
            year_number(2100), "", "", "Events of an earlier time are refused (at_too_old).", true},

    setting{"limits", "write_events_per_s", kind::count, "0", 0, any_rate, "", "",
            "Events a second of one merchant; 0: no limit. Over it: 429 or over_quota.", true},
    setting{"limits", "read_queries_per_s", kind::count, "0", 0, any_rate, "", "",
            "Questions a second of one merchant; 0: no limit. Over it: 429.", true},

    setting{"live", "subscriptions_max", kind::count, "5000", 1, 1'000'000, "", "",
            "Streams and WebSockets of /v1/live; more are answered 503.", true},
    setting{"live", "merchant_subscriptions_max", kind::count, "1000", 1, 1'000'000, "", "",
            "The same of one merchant; more are answered 429.", true},
    setting{"live", "events_max", kind::count, "10000", 1, 1'000'000, "", "",
            "Events of the last five minutes in memory for one merchant that somebody looks at.",
            true},
    setting{"live", "bytes_max", kind::size, "64MiB", mib, tib, "", "",
            "Memory of such events of all merchants; then the oldest of a merchant make room.",
            true},
    setting{"live", "keep", kind::duration, "2m", second, day, "", "",
            "How long they are kept after the last one who looked.", true},
    setting{"live", "heart_beat", kind::duration, "15s", second, hour, "", "",
            "A silent stream of events gets a comment so often.", true},

    setting{"engine", "state_memory_max", kind::size, "2GiB", 16 * mib, tib, "", "",
            "Memory of live aggregators; then the least recently used are passivated.", true},
    setting{"engine", "ids_bytes_max", kind::size, "1GiB", mib, tib, "", "",
            "Part of it for recognised event ids; older ids are looked up on disk.", true},
    setting{"engine", "queue_bytes_max", kind::size, "256MiB", mib, tib, "", "",
            "Events accepted and not yet applied, all merchants; then 503.", true},
    setting{"engine", "merchant_queue_bytes_max", kind::size, "64MiB", mib, tib, "", "",
            "The same of one merchant.", true},
    setting{"engine", "snapshot_queue_bytes_max", kind::size, "64MiB", mib, tib, "", "",
            "Snapshots on their way to the state database; more make new events wait.", true},
    setting{"engine", "passivate_after", kind::duration, "5m", second, 30 * day, "", "",
            "Idle time after which an aggregator is written down and ended.", true},
    setting{"engine", "visible_patience", kind::duration, "1s", 1, minute, "", "",
            "How long an answer waits for durable events to be counted; then 202."},
    setting{"engine", "flush_interval", kind::duration, "30s", second, hour, "", "",
            "Longest time that counted state stays in memory only (the journal is on disk)."},
    setting{"engine", "reprocess_events_per_s", kind::count, "100000", 0, any_rate, "", "",
            "At most so fast is a generation built beside the serving one. 0: no limit."},
    setting{"engine", "log_unsealed_bytes_max", kind::size, "2GiB", 16 * mib, tib, "", "",
            "Journal that a restart may have to read."},
    setting{"engine", "segment_bytes", kind::size, "1GiB", mib, tib, "", "",
            "Journal segment after which a new one begins."},
    setting{"engine", "reserve_bytes", kind::size, "256MiB", 0, tib, "", "",
            "Free disk space below which writes are refused with 503."},
    setting{"engine", "block_cache_bytes", kind::size, "256MiB", mib, tib, "", "",
            "Memory for blocks read from disk."},
    setting{"engine", "chunks_in_flight_max", kind::count, "4", 1, 64, "", "",
            "Commit rounds of one lane on their way to the disk."},
    setting{"engine", "commit_delay_us", kind::count, "200", 0, 100'000, "", "",
            "How long a commit waits for more requests to share it, where the one before served "
            "commit_siblings of them. In microseconds; 0: never."},
    setting{"engine", "commit_siblings", kind::count, "5", 1, 1'000'000, "", "",
            "Requests in one commit from which on the next one waits commit_delay_us."},
    setting{"engine", "query_workers", kind::count, "2", 1, 256, "", "",
            "Threads that read rows for answers."},
    setting{"engine", "scan_workers", kind::count, "2", 1, 256, "", "",
            "Threads that read single events for answers."},
    setting{"engine", "scans_waiting_max", kind::count, "1000", 1, 1'000'000, "", "",
            "Questions that wait for one of them; more are answered 503."},
    setting{"engine", "seal_bytes", kind::size, "256MiB", mib, tib, "", "",
            "Log whose events are counted and saved, after which it is sealed into the history."},
    setting{"engine", "seal_interval", kind::duration, "5m", 100, day, "", "",
            "Longest time until new events are sealed, however few they are."},
    setting{"engine", "keep_log_bytes", kind::size, "1GiB", 0, tib, "", "",
            "Journal that is kept though it is sealed; older segments are dropped."},
    setting{"engine", "io_workers", kind::count, "2", 1, 256, "", "",
            "Threads that read and write snapshots."},
    setting{"engine", "scheduler_threads", kind::count, "0", 0, 256, "", "",
            "Threads of the actor scheduler. 0: as many as cores."},

    setting{"cluster", "name", kind::text, "", 0, 0, "", "",
            "Name of the cluster that the node is part of. Empty: it is on its own."},
    setting{"cluster", "node_name", kind::text, "", 0, 0, "", "",
            "What people call this node. Empty: the machine's name."},
    setting{"cluster", "zone", kind::text, "", 0, 0, "", "",
            "What fails together, such as a rack. Copies of a shard are kept in different zones."},
    setting{"cluster", "etcd", kind::list, "127.0.0.1:2379", 0, 0, "", "",
            "HOST:PORT of the members of etcd; two at least, so that one may fail."},
    setting{"cluster", "etcd_user", kind::text, "", 0, 0, "", "",
            "User of etcd. Empty: it asks for none."},
    setting{"cluster", "etcd_password_file", kind::text, "", 0, 0, "", "",
            "File with that user's password in its first line."},
    setting{"cluster", "etcd_ca_file", kind::text, "", 0, 0, "", "",
            "Certificates that etcd's are checked with (PEM). Empty: no encryption."},
    setting{"cluster", "etcd_certificate_file", kind::text, "", 0, 0, "", "",
            "Certificate shown to etcd (PEM)."},
    setting{"cluster", "etcd_key_file", kind::text, "", 0, 0, "", "", "Its key (PEM)."},
    setting{"cluster", "listen", kind::text, "127.0.0.1:7702", 0, 0, "", "",
            "Where the node listens for the other nodes."},
    setting{"cluster", "advertise", kind::text, "", 0, 0, "", "",
            "HOST:PORT where the others reach it. Empty: as cluster.listen says."},
    setting{"cluster", "ca_file", kind::text, "", 0, 0, "", "",
            "Certificates that other nodes' are checked with (PEM)."},
    setting{"cluster", "certificate_file", kind::text, "", 0, 0, "", "",
            "Certificate shown to other nodes (PEM)."},
    setting{"cluster", "key_file", kind::text, "", 0, 0, "", "", "Its key (PEM)."},
    setting{"cluster", "insecure", kind::choice, "false", 0, 0, "false true", "",
            "Whether nodes may talk without certificates elsewhere than on loopback."},
    setting{"cluster", "copies", kind::count, "3", 1, 7, "", "",
            "Copies of each shard, where there are as many nodes."},
    setting{"cluster", "min_in_sync", kind::count, "2", 1, 7, "", "",
            "Copies that must be in sync, else a shard takes no events."},
    setting{"cluster", "replace_after", kind::duration, "10m", 10 * second, 30 * day, "", "",
            "How long a node may be away until its copies are made elsewhere."},

    setting{"visitors", "geo_database", kind::text, "", 0, 0, "", "",
            "Database that tells the country of an address: libloc's, or one that ends in .mmdb. "
            "Empty: libloc's where its package puts it. none: nothing is looked up.",
            true},

    setting{"log", "level", kind::choice, "info", 0, 0, "debug info warn error", "",
            "Least important lines to write to stderr.", true},
    setting{"log", "format", kind::choice, "text", 0, 0, "text json", "",
            "One line of text or one JSON object a line.", true},
};

}  // namespace

std::span<const setting> all_settings() {
  return table;
}

}  // namespace tally::config
