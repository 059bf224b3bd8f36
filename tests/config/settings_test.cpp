#include "config/settings.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "config/node_options.hpp"
#include "config/setting_values.hpp"

namespace tally::config {
namespace {

std::string failure_of(const status& s) {
  return s ? "" : s.error().detail;
}

std::string toml_failure(const std::string& text) {
  settings s;
  return failure_of(s.read_toml(text, "t.toml"));
}

TEST(setting_values, sizes_take_binary_units_or_plain_bytes) {
  EXPECT_EQ(parse_size("64MiB"), 64ULL << 20);
  EXPECT_EQ(parse_size("123"), 123);
  EXPECT_EQ(parse_size("2TiB"), 2ULL << 40);
  for (const auto* wrong : {"", "MiB", "64MB", "64 MiB", "-1", "9999999TiB", "1.5GiB"}) {
    EXPECT_FALSE(parse_size(wrong)) << wrong;
  }
  EXPECT_EQ(format_size(64ULL << 20), "64MiB");
  EXPECT_EQ(format_size(1000), "1000B");
  EXPECT_EQ(format_size(0), "0B");
}

TEST(setting_values, durations_need_a_unit) {
  EXPECT_EQ(parse_duration("500ms"), std::chrono::milliseconds{500});
  EXPECT_EQ(parse_duration("2h"), std::chrono::hours{2});
  for (const auto* wrong : {"", "30", "30sec", "1.5s", "s"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
  EXPECT_EQ(format_duration(std::chrono::seconds{90}), "90s");
  EXPECT_EQ(format_duration(std::chrono::minutes{5}), "5m");
}

TEST(setting_values, times_are_rfc_3339) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), event_time{});
  EXPECT_EQ(parse_time("1969-12-31T23:00:00-01:00"), event_time{});
  for (const auto* wrong : {"", "0", "1970", "1970-01-01", "1970-13-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_time(wrong)) << wrong;
  }
  EXPECT_EQ(format_time(time_from_ms(-1'000)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_time(time_from_ms(1)), "1970-01-01T00:00:00.001Z");
  EXPECT_EQ(time_of_number(time_number(time_from_ms(-5))), time_from_ms(-5));
}

TEST(settings, the_oldest_time_of_events_is_between_1800_and_2100) {
  EXPECT_EQ(settings{}.time("events.at_oldest"), event_time{});
  settings s;
  ASSERT_TRUE(s.read_toml("[events]\nat_oldest = \"1850-01-01T00:00:00Z\"", "t.toml"));
  EXPECT_LT(s.time("events.at_oldest"), event_time{});
  EXPECT_EQ(toml_failure("[events]\nat_oldest = \"0001-01-01T00:00:00Z\""),
            "t.toml:2:1: events.at_oldest: '0001-01-01T00:00:00Z' is outside "
            "1800-01-01T00:00:00Z to 2100-01-01T00:00:00Z");
  EXPECT_EQ(toml_failure("[events]\nat_oldest = 1970"),
            "t.toml:2:1: events.at_oldest is not a time such as 1970-01-01T00:00:00Z");
}

TEST(setting_values, edit_distance_counts_single_edits) {
  EXPECT_EQ(edit_distance("listen", "listen"), 0);
  EXPECT_EQ(edit_distance("lisen", "listen"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
}

TEST(settings, differ_by_meaning_and_take_over_only_what_is_live) {
  settings running, fresh;
  ASSERT_TRUE(
      running.read_toml("[http]\nidle_timeout = \"60s\"\ntrusted_proxies = [\"::1\"]", "a"));
  ASSERT_TRUE(
      fresh.read_toml("[http]\nidle_timeout = \"1m\"\ntrusted_proxies = []\nthreads = 3\n"
                      "[log]\nlevel = \"debug\"",
                      "b"));
  EXPECT_EQ(running.differences(fresh),
            (std::vector<std::string>{"http.threads", "http.trusted_proxies", "log.level"}));
  EXPECT_TRUE(is_live("log.level"));
  EXPECT_FALSE(is_live("http.threads"));
  running.take_live(fresh);
  EXPECT_EQ(running.differences(fresh), std::vector<std::string>{"http.threads"});
  EXPECT_EQ(running.text("log.level"), "debug");
}

TEST(setting_table, every_default_lies_in_its_own_range_and_names_are_unique) {
  std::set<std::string> names, flags, variables;
  for (const auto& s : all_settings()) {
    settings fresh;
    EXPECT_EQ(failure_of(fresh.set_flag(s, std::string{s.fallback})), "") << name_of(s);
    EXPECT_TRUE(names.insert(name_of(s)).second) << name_of(s);
    EXPECT_TRUE(flags.insert(flag_of(s)).second) << flag_of(s);
    EXPECT_TRUE(variables.insert(variable_of(s)).second) << variable_of(s);
    EXPECT_FALSE(s.doc.empty()) << name_of(s);
  }
}

TEST(setting_table, defaults_are_those_of_the_engine) {
  const auto made = make_node_options(settings{});
  ASSERT_TRUE(made.ok()) << made.error().text();
  const actors::engine_options own, &from_table = made->engine;
  EXPECT_EQ(from_table.default_zone, own.default_zone);
  EXPECT_EQ(from_table.default_currency, own.default_currency);
  EXPECT_EQ(from_table.console_host, own.console_host);
  EXPECT_EQ(from_table.state_memory_max, own.state_memory_max);
  EXPECT_EQ(from_table.ids_bytes_max, own.ids_bytes_max);
  EXPECT_EQ(from_table.queue_bytes_max, own.queue_bytes_max);
  EXPECT_EQ(from_table.merchant_queue_bytes_max, own.merchant_queue_bytes_max);
  EXPECT_EQ(from_table.passivate_after, own.passivate_after);
  EXPECT_EQ(from_table.visible_patience, own.visible_patience);
  EXPECT_EQ(from_table.flush_interval, own.flush_interval);
  EXPECT_EQ(from_table.log_unsealed_bytes_max, own.log_unsealed_bytes_max);
  EXPECT_EQ(from_table.segment_bytes, own.segment_bytes);
  EXPECT_EQ(from_table.reserve_bytes, own.reserve_bytes);
  EXPECT_EQ(from_table.block_cache_bytes, own.block_cache_bytes);
  EXPECT_EQ(from_table.write_events_per_s, own.write_events_per_s);
  EXPECT_EQ(from_table.chunks_in_flight_max, own.chunks_in_flight_max);
  EXPECT_EQ(from_table.query_workers, own.query_workers);
  EXPECT_EQ(from_table.scan_workers, own.scan_workers);
  EXPECT_EQ(from_table.scans_waiting_max, own.scans_waiting_max);
  EXPECT_EQ(from_table.seal_bytes, own.seal_bytes);
  EXPECT_EQ(from_table.seal_interval, own.seal_interval);
  EXPECT_EQ(from_table.keep_log_bytes, own.keep_log_bytes);
  EXPECT_EQ(from_table.io_workers, own.io_workers);
  EXPECT_EQ(from_table.scheduler_threads, own.scheduler_threads);
  EXPECT_EQ(from_table.lock_timeout, own.lock_timeout);
}

TEST(settings, a_flag_beats_the_environment_which_beats_the_file_in_any_order_of_reading) {
  settings s;
  const std::array<const char*, 3> environment{"TALLY_LOG_LEVEL=warn", "TALLY_HTTP_THREADS=3",
                                               nullptr};
  for (const auto& one : all_settings()) {
    if (name_of(one) != "log.level") continue;
    EXPECT_TRUE(s.set_flag(one, "error"));
  }
  ASSERT_TRUE(s.read_environment(environment.data()));
  ASSERT_TRUE(
      s.read_toml("[log]\nlevel = 'debug'\nformat = 'json'\n[http]\nthreads = 2", "f.toml"));
  EXPECT_EQ(s.text("log.level"), "error");
  EXPECT_EQ(s.get("log.level").where, "--log-level");
  EXPECT_EQ(s.number("http.threads"), 3);
  EXPECT_EQ(s.get("http.threads").where, "TALLY_HTTP_THREADS");
  EXPECT_EQ(s.text("log.format"), "json");
  EXPECT_EQ(s.get("log.format").where, "f.toml:3:1");
  EXPECT_EQ(s.get("node.data_dir").source, setting_source::fallback);
}

TEST(settings, a_file_may_write_numbers_lists_sizes_and_durations) {
  settings s;
  const auto taken = s.read_toml(
      "[http]\nlisten = ['127.0.0.1:1', 'unix:/run/t.sock']\nbody_bytes_max = '6MiB'\n"
      "header_bytes_max = 2048\nidle_timeout = '500ms'\n[limits]\nwrite_events_per_s = 100",
      "t.toml");
  ASSERT_TRUE(taken.ok()) << taken.error().text();
  EXPECT_EQ(s.list("http.listen"), (std::vector<std::string>{"127.0.0.1:1", "unix:/run/t.sock"}));
  EXPECT_EQ(s.number("http.body_bytes_max"), 6ULL << 20);
  EXPECT_EQ(s.number("http.header_bytes_max"), 2048);
  EXPECT_EQ(s.duration("http.idle_timeout"), std::chrono::milliseconds{500});
  EXPECT_EQ(s.number("limits.write_events_per_s"), 100);
}

TEST(settings, what_is_wrong_in_a_file_is_named_with_line_and_column) {
  EXPECT_EQ(toml_failure("[http]\n  lisen = []"),
            "t.toml:2:3: unknown setting http.lisen; did you mean http.listen?");
  EXPECT_EQ(toml_failure("[http]\nzzzzzzzzzzzz = 1"),
            "t.toml:2:1: unknown setting http.zzzzzzzzzzzz");
  EXPECT_EQ(toml_failure("level = 'info'"), "t.toml:1:1: 'level' stands outside a [section]");
  EXPECT_EQ(toml_failure("[log]\nlevel = 'loud'"),
            "t.toml:2:1: log.level: 'loud' is none of debug, info, warn or error");
  EXPECT_EQ(toml_failure("[http]\nidle_timeout = 30"),
            "t.toml:2:1: http.idle_timeout is not a duration such as 30s or 500ms");
  EXPECT_EQ(toml_failure("[http]\nconnections_max = 0"),
            "t.toml:2:1: http.connections_max: '0' is outside 1 to 1000000");
  EXPECT_EQ(toml_failure("[http]\nthreads = -1"),
            "t.toml:2:1: http.threads: '-1' is not a whole number");
  EXPECT_TRUE(toml_failure("[http\n").starts_with("t.toml:1:6: ")) << toml_failure("[http\n");
}

TEST(settings, an_unknown_variable_of_a_known_section_is_an_error_and_others_are_not_ours) {
  settings s;
  const std::array<const char*, 4> ours{"TALLY_NODE=127.0.0.1:1", "TALLY_CONFIG=x", "PATH=/bin",
                                        nullptr};
  EXPECT_TRUE(s.read_environment(ours.data()));
  const std::array<const char*, 2> wrong{"TALLY_HTTP_LISTN=1", nullptr};
  EXPECT_EQ(failure_of(s.read_environment(wrong.data())),
            "environment: unknown setting TALLY_HTTP_LISTN; did you mean TALLY_HTTP_LISTEN?");
}

TEST(settings, the_committed_example_is_the_one_made_from_the_table) {
  std::ifstream in{SOURCE_ROOT "/config/tally.example.toml"};
  std::ostringstream content;
  content << in.rdbuf();
  EXPECT_EQ(content.str(), example_file()) << "write it anew: tally config example";
}

TEST(settings, the_example_with_its_values_uncommented_changes_nothing) {
  std::string active, line;
  std::istringstream lines{example_file()};
  while (std::getline(lines, line)) {
    const bool assigns = line.starts_with("# ") && line.find(" = ") != std::string::npos;
    active += (assigns ? line.substr(2) : line) + "\n";
  }
  settings s;
  ASSERT_EQ(failure_of(s.read_toml(active, "example")), "");
  std::size_t from_file = 0;
  for (const auto& one : all_settings()) {
    const auto& value = s.get(name_of(one));
    EXPECT_EQ(value.text, one.fallback) << name_of(one);
    from_file += value.source == setting_source::file ? 1 : 0;
  }
  EXPECT_EQ(from_file, all_settings().size());
}

TEST(node_options, settings_that_do_not_fit_together_are_refused_by_name) {
  settings s;
  ASSERT_TRUE(s.read_toml("[http]\nbody_bytes_max = '64KiB'", "t.toml"));
  const auto made = make_node_options(s);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().detail,
            "events.event_bytes_max: '256KiB' is more than http.body_bytes_max");
}

TEST(node_options, listeners_are_host_and_port_or_a_unix_path) {
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_host_port("localhost:8080")->port, 8080);
  for (const auto* wrong : {"8080", ":80", "::1:80", "h:", "h:65536", "h:x"}) {
    EXPECT_FALSE(parse_host_port(wrong).ok()) << wrong;
  }
}

cluster_settings clustered(const std::string& more) {
  settings s;
  EXPECT_EQ(failure_of(s.read_toml("[cluster]\nname = \"shop\"\n" + more, "t.toml")), "");
  const auto made = make_cluster_settings(s);
  EXPECT_TRUE(made.ok()) << made.error().text();
  return made.ok() ? *made : cluster_settings{};
}
std::string cluster_failure(const std::string& more) {
  settings s;
  EXPECT_EQ(failure_of(s.read_toml("[cluster]\nname = \"shop\"\n" + more, "t.toml")), "");
  const auto made = make_cluster_settings(s);
  return made.ok() ? "" : made.error().detail;
}

TEST(cluster_settings, without_a_name_a_node_is_on_its_own) {
  settings s;
  ASSERT_TRUE(s.read_toml("[cluster]\nlisten = \"nowhere\"\nmin_in_sync = 7", "t.toml"));
  const auto made = make_cluster_settings(s);
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(made->is_used());
}

TEST(cluster_settings, defaults_are_those_of_the_parts) {
  const auto c = clustered("");
  EXPECT_TRUE(c.is_used());
  EXPECT_FALSE(c.node_name.empty());
  EXPECT_EQ(c.etcd.endpoints, std::vector<std::string>{"127.0.0.1:2379"});
  EXPECT_EQ(c.peers.host, cluster::peer_options{}.host);
  EXPECT_EQ(c.peers.port, 7702);
  EXPECT_EQ(c.advertise, "127.0.0.1:7702");
  EXPECT_EQ(c.placement.copies, placement_options{}.copies);
  EXPECT_EQ(c.placement.min_in_sync, placement_options{}.min_in_sync);
  EXPECT_EQ(c.placement.replace_after, placement_options{}.replace_after);
}

TEST(cluster_settings, beyond_loopback_certificates_or_a_clear_word_are_needed) {
  EXPECT_NE(cluster_failure("listen = \"10.0.0.1:7702\"").find("cluster.insecure"),
            std::string::npos);
  EXPECT_TRUE(clustered("listen = \"10.0.0.1:7702\"\ninsecure = true").peers.insecure);
  EXPECT_TRUE(clustered("listen = \"10.0.0.1:7702\"\ninsecure = \"true\"").peers.insecure);
  const auto files = "ca_file = \"a\"\ncertificate_file = \"b\"\nkey_file = \"c\"\n";
  const auto c = clustered(std::string{files} +
                           "listen = \"0.0.0.0:7702\"\nadvertise = \"node-1.example:7702\"");
  EXPECT_EQ(c.peers.host, "");
  EXPECT_EQ(c.advertise, "node-1.example:7702");
  EXPECT_EQ(c.peers.tls.key_file, "c");
}

TEST(cluster_settings, what_is_wrong_is_named) {
  const std::pair<const char*, const char*> cases[] = {
      {"min_in_sync = 4", "t.toml:3:1: cluster.min_in_sync: '4' is more than cluster.copies"},
      {"etcd = []", "t.toml:3:1: cluster.etcd: '' names no member"},
      {"etcd = [\"a:2379\", \"b\"]", "t.toml:3:1: cluster.etcd: 'a:2379,b' is not HOST:PORT"},
      {"etcd_user = \"tally\"", "cluster.etcd_password_file: '' goes with cluster.etcd_user"},
      {"etcd_user = \"t\"\netcd_password_file = \"/nowhere\"",
       "t.toml:4:1: cluster.etcd_password_file: '/nowhere' cannot be read or is empty"},
      {"etcd_key_file = \"k\"",
       "cluster.etcd_certificate_file: '' must be set, as cluster.etcd_key_file is"},
      {"key_file = \"k\"\nca_file = \"c\"",
       "cluster.certificate_file: '' must be set, as cluster.key_file is"},
      {"listen = \"7702\"", "t.toml:3:1: cluster.listen: '7702' is not HOST:PORT"},
      {"listen = \"0.0.0.0:7702\"\ninsecure = true",
       "cluster.advertise: '' must be set where cluster.listen is no one address"},
      {"advertise = \"0.0.0.0:7702\"",
       "t.toml:3:1: cluster.advertise: '0.0.0.0:7702' is not HOST:PORT of one machine"},
      {"node_name = \"a b\"",
       "t.toml:3:1: cluster.node_name: 'a b' is not 1 to 128 letters, digits, '-', '_' and '.'"},
  };
  for (const auto& [more, detail] : cases) EXPECT_EQ(cluster_failure(more), detail) << more;
  EXPECT_EQ(toml_failure("[log]\nlevel = true"),
            "t.toml:2:1: log.level: 'true' is none of debug, info, warn or error");
  settings s;
  ASSERT_TRUE(s.read_toml("[cluster]\nname = \"a/b\"", "t.toml"));
  EXPECT_NE(make_node_options(s).error().detail.find("cluster.name: 'a/b'"), std::string::npos);
}

}  // namespace
}  // namespace tally::config
