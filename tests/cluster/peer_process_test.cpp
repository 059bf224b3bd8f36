// Peers in processes of their own, which freeze and die; and peers that show certificates.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/cluster/peer_fixture.hpp"

namespace tally::cluster {
namespace {

using changes = std::vector<std::string>;

std::uint32_t setting(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

/// Not a test: what `peer_process` runs, until it is killed.
TEST(peer_process_main, DISABLED_runs) {
  if (setting("PEER_SELF") == 0) GTEST_SKIP() << "run by other tests";
  auto options = quick_options();
  options.port = static_cast<std::uint16_t>(setting("PEER_PORT"));
  peer_node node{setting("PEER_SELF"), options};
  node->set_peers({{node_id{setting("PEER_OTHER")}, "127.0.0.1",
                    static_cast<std::uint16_t>(setting("PEER_OTHER_PORT"))}});
  for (;;) ::pause();
}

std::uint16_t free_port() {
  return static_cast<std::uint16_t>(free_ports(1)[0]);
}

/// What a sanitizer keeps of memory that was freed.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kept_bytes = 256u << 20;
#else
constexpr std::size_t kept_bytes = 0;
#endif

std::size_t resident_bytes() {
  std::ifstream in{"/proc/self/statm"};
  std::size_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// As the one that connects and as the one that is connected to.
class peer_process_test : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(both_ends, peer_process_test, ::testing::Values(1u, 9u));

TEST_P(peer_process_test, a_peer_that_is_killed_is_down_without_any_silence) {
  peer_node me{GetParam()};
  peer_process other{5, free_port(), me.address()};
  me->set_peers({{node_id{5}, "127.0.0.1", other.port()}});
  ASSERT_TRUE(comes([&] { return me->is_up(node_id{5}); }));
  EXPECT_EQ(me.ask(5, "echo", "hello"), "hello");
  const auto begin = std::chrono::steady_clock::now();
  other.kill();
  EXPECT_TRUE(comes([&] { return me.changes() == changes{"up 5", "down 5"}; }));
  const auto took = std::chrono::steady_clock::now() - begin;
  RecordProperty(
      "milliseconds",
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  std::promise<std::optional<witness>> said;
  me->probe(node_id{5}, [&](std::optional<witness> w) { said.set_value(w); });
  EXPECT_EQ(said.get_future().get(), witness::refused);
  peer_process again{5, other.port(), me.address()};
  EXPECT_TRUE(comes([&] { return me->is_up(node_id{5}); }));
}

TEST_P(peer_process_test, a_frozen_peer_is_down_after_the_silence_and_up_again_when_it_thaws) {
  auto options = quick_options();
  options.heartbeat_interval = 100ms;
  options.silence_max = 2s;
  peer_node me{GetParam(), options};
  peer_process other{5, free_port(), me.address()};
  me->set_peers({{node_id{5}, "127.0.0.1", other.port()}});
  ASSERT_TRUE(comes([&] { return me->is_up(node_id{5}); }));
  other.freeze();
  EXPECT_TRUE(comes([&] { return !me->is_up(node_id{5}); }));
  std::promise<std::optional<witness>> said;
  me->probe(node_id{5}, [&](std::optional<witness> w) { said.set_value(w); });
  EXPECT_EQ(said.get_future().get(), std::nullopt) << "its port does not refuse";
  other.thaw();
  ASSERT_TRUE(comes([&] { return me->is_up(node_id{5}); }));
  EXPECT_TRUE(comes([&] { return me.ask(5, "who") == std::to_string(GetParam()) + "->5"; }));
}

TEST_P(peer_process_test, a_frozen_peer_costs_no_more_memory_than_its_windows) {
  if (volume < (1u << 20)) GTEST_SKIP() << "too much for a sanitizer";
  peer_node me{GetParam()};
  peer_process other{5, free_port(), me.address()};
  me->set_peers({{node_id{5}, "127.0.0.1", other.port()}});
  ASSERT_TRUE(comes([&] { return me->is_up(node_id{5}); }));
  other.freeze();
  const auto before = resident_bytes();
  const auto large = with_chunk(256u << 10);
  std::atomic<int> failed{0};
  for (int i = 0; i < 8'000; ++i) {  // 2 GiB
    me->send(node_id{5}, {large, numbered(1)});
    if (i % 50 == 0)
      me->ask(node_id{5}, "echo", std::string(1u << 20, 'x'), 60s,
              [&](const result<std::string>& a) { failed += a ? 0 : 1; });
  }
  // 4 MiB of data, 1 of signals, 96 of requests, and what the middleman copies.
  const auto after = resident_bytes();
  RecordProperty("grown_kib", std::to_string((after - std::min(before, after)) >> 10));
  EXPECT_LT(after, before + (256u << 20) + kept_bytes);
  EXPECT_GT(me->metrics().messages_dropped, 7'900u);
  EXPECT_GT(failed, 0);
  EXPECT_TRUE(me->is_up(node_id{5}));
  other.thaw();
  EXPECT_TRUE(comes([&] { return me.ask(5, "count") != "0"; }))
      << "what was in the windows arrives";
}

// ---- certificates

class peer_certificates_test : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/usr/bin/openssl")) GTEST_SKIP() << "openssl is not installed";
    make_ca("ca");
    make_ca("other_ca");
    certify("one", "ca");
    certify("two", "ca");
    certify("stranger", "other_ca");
  }
  void run(const std::string& words) const {
    const auto command =
        "cd '" + folder_.path().string() + "' && openssl " + words + " >/dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0) << words;
  }
  void make_ca(const std::string& name) const {
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" +
        name + " -keyout " + name + ".key -out " + name + ".pem");
  }
  void certify(const std::string& name, const std::string& ca) const {
    run("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + name +
        " -keyout " + name + ".key -out " + name + ".csr");
    run("x509 -req -days 2 -CAcreateserial -CA " + ca + ".pem -CAkey " + ca + ".key -in " + name +
        ".csr -out " + name + ".pem");
  }
  [[nodiscard]] peer_options options(const std::string& name, const std::string& ca = "ca") const {
    auto o = quick_options();
    o.tls = {folder_ / (ca + ".pem"), folder_ / (name + ".pem"), folder_ / (name + ".key")};
    return o;
  }
  static void meet(peer_node& a, peer_node& b) {
    const std::vector all{a.address(), b.address()};
    a->set_peers(all);
    b->set_peers(all);
  }

  testing::temp_folder folder_;
};

TEST_F(peer_certificates_test, nodes_with_certificates_of_one_authority_meet) {
  peer_node a{1, options("one")}, b{2, options("two")};
  meet(a, b);
  ASSERT_TRUE(comes([&] { return a->is_up(node_id{2}) && b->is_up(node_id{1}); }));
  EXPECT_EQ(a.ask(2, "who"), "1->2");
  const std::string large(5 * volume, 'x');
  EXPECT_TRUE(b.ask(1, "echo", large) == large);
  a->send(node_id{2}, {with_chunk(volume)});
  EXPECT_TRUE(comes([&] { return b.messages().size() == 1; }));
}

TEST_F(peer_certificates_test, a_certificate_of_another_authority_is_refused_by_both) {
  peer_node a{1, options("stranger")}, b{2, options("two")}, c{3, options("stranger")};
  const std::vector all{a.address(), b.address(), c.address()};
  for (auto* node : {&a, &b, &c}) (*node)->set_peers(all);
  // Both strangers fail for as long as it takes to see the others work.
  peer_node d{4, options("one")};
  d->set_peers({b.address()});
  b->set_peers({a.address(), c.address(), d.address()});
  ASSERT_TRUE(comes([&] { return b->is_up(node_id{4}); }));
  EXPECT_FALSE(b->is_up(node_id{1}));
  EXPECT_FALSE(b->is_up(node_id{3}));
}

TEST_F(peer_certificates_test, a_node_without_certificates_is_not_understood) {
  peer_node a{1}, b{2, options("two")}, c{3, options("one")}, d{4};
  meet(b, c);
  ASSERT_TRUE(comes([&] { return b->is_up(node_id{3}); }));
  b->set_peers({a.address(), c.address()});
  d->set_peers({a.address()});
  a->set_peers({b.address(), d.address()});  // tries both at once
  ASSERT_TRUE(comes([&] { return a->is_up(node_id{4}); }));
  EXPECT_FALSE(a->is_up(node_id{2}));
  EXPECT_FALSE(b->is_up(node_id{1}));
}

TEST_F(peer_certificates_test, files_that_cannot_be_used_are_named_and_end_nothing) {
  const auto refused = [&](auto change) {
    auto o = options("one");
    change(o.tls);
    const auto made = peer_links::start(o, node_id{1}, 7, {});
    return made ? std::string{} : made.error().text();
  };
  EXPECT_NE(refused([](auto& t) { t.ca_file = "/nowhere"; }).find("tls.ca_file"),
            std::string::npos);
  EXPECT_NE(refused([](auto& t) { t.certificate_file = t.key_file; }).find("certificate_file"),
            std::string::npos);
  EXPECT_NE(refused([&](auto& t) { t.key_file = options("two").tls.key_file; }).find("key_file"),
            std::string::npos);
}

}  // namespace
}  // namespace tally::cluster
