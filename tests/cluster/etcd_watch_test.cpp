// Against a real etcd. No test asserts a time.
#include "cluster/etcd_watch.hpp"

#include <nlohmann/json.hpp>

#include "cluster/etcd_json.hpp"
#include "cluster/etcd_lease.hpp"
#include "tests/cluster/etcd_fixture.hpp"

namespace tally::cluster {
namespace {

/// What an observer knows, and how it came to know it.
class seen_keys {
 public:
  etcd_watch::observer observer() {
    return [this](const etcd_watch::change& c) {
      const std::lock_guard lock{mutex_};
      log_ += (log_.empty() ? "" : " ") + c.key + (c.entry ? "=" + c.entry->value : "-");
      if (c.entry) {
        values_[c.key] = c.entry->value;
      } else {
        values_.erase(c.key);
      }
    };
  }
  [[nodiscard]] std::string log() const {
    const std::lock_guard lock{mutex_};
    return log_;
  }
  [[nodiscard]] std::string value(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    const auto found = values_.find(key);
    return found == values_.end() ? "none" : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> values_;
  std::string log_;
};

class etcd_watch_test : public etcd_test {
 protected:
  static bool put(etcd_client& client, const std::string& key, const std::string& value) {
    return comes([&] { return client.run({{}, {{key, value}}, {}}).ok(); });
  }
  static void compact(const std::string& place, std::uint64_t revision) {
    http_exchange raw{place, {}};
    const auto body = R"({"physical":true,"revision":")" + std::to_string(revision) + "\"}";
    ASSERT_EQ(raw.post({"/v3/kv/compaction", body, {}})->status, 200U);
  }
};

TEST_F(etcd_watch_test, tells_what_is_there_and_then_every_change_in_order) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  ASSERT_TRUE(put(client, "/t/a", "1"));
  ASSERT_TRUE(put(client, "/u", "other"));
  seen_keys seen;
  etcd_watch watch{etcd.options(), "/t/", seen.observer()};
  ASSERT_TRUE(comes([&] { return watch.counted().streams == 1; }));
  ASSERT_TRUE(client.run({{}, {{"/t/b", "1"}, {"/t/c", "1"}}, {}}).ok());
  ASSERT_TRUE(put(client, "/t/a", "2"));
  ASSERT_TRUE(client.run({{}, {}, {"/t/b"}}).ok());
  ASSERT_TRUE(put(client, "/t/last", "1"));
  ASSERT_TRUE(comes([&] { return seen.value("/t/last") == "1"; }));
  EXPECT_EQ(seen.log(), "/t/a=1 /t/b=1 /t/c=1 /t/a=2 /t/b- /t/last=1");
  EXPECT_EQ(watch.counted().silences, 0U);
}

TEST_F(etcd_watch_test, goes_on_over_a_compaction) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  seen_keys seen;
  etcd_watch watch{etcd.options(), "/t/", seen.observer()};
  ASSERT_TRUE(comes([&] { return watch.counted().streams == 1; }));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(client, "/t/a", std::to_string(i)));
  compact(etcd.client_of(0), client.get("/t/a")->revision);
  etcd.kill(0);
  etcd.start(0);
  ASSERT_TRUE(put(client, "/t/a", "new"));
  EXPECT_TRUE(comes([&] { return seen.value("/t/a") == "new"; }));
}

TEST_F(etcd_watch_test, is_told_where_it_asks_for_what_was_compacted) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(client, "/t/a", std::to_string(i)));
  const auto newest = client.get("/t/a")->revision;
  compact(etcd.client_of(0), newest);
  http_exchange raw{etcd.client_of(0), {}};
  std::uint64_t compacted = 0;
  const auto ended =
      raw.stream({"/v3/watch", watch_request("/t/", 2), {}}, [&](std::string_view line) {
        const auto parsed = parse_watch_line(line);
        if (!parsed || !parsed->is_cancelled) return true;
        compacted = parsed->compact_revision;
        return false;
      });
  EXPECT_TRUE(ended.ok());
  EXPECT_EQ(compacted, newest);
}

TEST_F(etcd_watch_test, follows_through_the_death_of_every_member_in_turn) {
  etcd_processes etcd{3};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  seen_keys seen;
  etcd_watch watch{etcd.options(), "/t/", seen.observer()};
  ASSERT_TRUE(comes([&] { return watch.counted().streams == 1; }));
  for (std::size_t killed = 0; killed < 3; ++killed) {
    etcd.kill(killed);  // one of them leads, one of them has the watch
    const auto value = std::to_string(killed);
    ASSERT_TRUE(put(client, "/t/a", value));
    EXPECT_TRUE(comes([&] { return seen.value("/t/a") == value; }));
    etcd.start(killed);
    auto only = etcd.options();
    only.endpoints = {etcd.client_of(killed)};
    etcd_client back{only};
    ASSERT_TRUE(comes([&] { return back.get("/t/a").ok(); }));
  }
}

TEST_F(etcd_watch_test, sees_past_a_frozen_member) {
  etcd_processes etcd{3};
  etcd_client client{etcd.options(), 1};
  ASSERT_TRUE(is_ready(client));
  seen_keys seen;
  etcd_watch watch{etcd.options(), "/t/", seen.observer()};
  ASSERT_TRUE(comes([&] { return watch.counted().streams == 1; }));
  etcd.freeze(0);  // the watch began there
  ASSERT_TRUE(put(client, "/t/a", "1"));
  ASSERT_TRUE(comes([&] { return seen.value("/t/a") == "1"; }));
  EXPECT_TRUE(comes([&] { return watch.counted().streams >= 2; })) << "it moved on";
  ASSERT_TRUE(put(client, "/t/a", "2"));
  EXPECT_TRUE(comes([&] { return seen.value("/t/a") == "2"; }));
  EXPECT_GE(watch.counted().silences, 1U);
  etcd.thaw(0);
}

TEST_F(etcd_watch_test, notices_a_store_that_was_wiped) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(client, "/t/a", std::to_string(i)));
  seen_keys seen;
  etcd_watch watch{etcd.options(), "/t/", seen.observer()};
  ASSERT_TRUE(comes([&] { return watch.counted().streams == 1; }));
  etcd.wipe(0);
  etcd.start(0);
  EXPECT_TRUE(comes([&] { return seen.value("/t/a") == "none"; }));
  EXPECT_GE(watch.counted().regressions, 1U);
  ASSERT_TRUE(put(client, "/t/a", "anew"));
  EXPECT_TRUE(comes([&] { return seen.value("/t/a") == "anew"; }));
}

TEST_F(etcd_watch_test, ends_while_etcd_is_silent) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  {
    seen_keys seen;
    etcd_watch watch{etcd.options(), "/t/", seen.observer()};
    ASSERT_TRUE(comes([&] { return watch.counted().streams == 1; }));
    etcd.freeze(0);
  }
  etcd.thaw(0);
}

class etcd_lease_test : public etcd_test {};

TEST_F(etcd_lease_test, gets_another_where_it_is_lost_and_registers_again) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  std::atomic<int> lost{0};
  {
    etcd_lease lease{etcd.options(),
                     {[] { return true; },
                      [](etcd_client& c, std::uint64_t id) {
                        return c.run({{}, {{"/t/node", std::to_string(id), id}}, {}}).ok();
                      },
                      [&] { ++lost; }}};
    const auto is_registered = [&] {
      const auto found = client.get("/t/node");
      return found && !found->entries.empty() && found->entries[0].lease == lease.id();
    };
    ASSERT_TRUE(comes(is_registered));
    ASSERT_TRUE(client.revoke(lease.id()).ok());
    ASSERT_TRUE(comes([&] { return lease.grants() == 2 && is_registered(); }));
    EXPECT_EQ(lost, 1);
  }
  EXPECT_TRUE(client.get("/t/node")->entries.empty()) << "revoked at the end";
}

TEST_F(etcd_lease_test, lets_it_go_while_the_node_is_unwell) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  auto options = etcd.options();
  options.lease_ttl = 1s;
  std::atomic<bool> is_well{true};
  etcd_lease lease{options,
                   {[&] { return is_well.load(); },
                    [](etcd_client& c, std::uint64_t id) {
                      return c.run({{}, {{"/t/node", "x", id}}, {}}).ok();
                    },
                    [] {}}};
  const auto is_there = [&] {
    const auto found = client.get("/t/node");
    return found && !found->entries.empty();
  };
  ASSERT_TRUE(comes(is_there));
  is_well = false;
  ASSERT_TRUE(comes([&] { return !is_there(); }));
  is_well = true;
  EXPECT_TRUE(comes(is_there));
}

}  // namespace
}  // namespace tally::cluster
