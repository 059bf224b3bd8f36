// Against a real etcd. No test asserts a time.
#include "cluster/etcd_client.hpp"

#include <atomic>
#include <cstdlib>
#include <thread>

#include "cluster/etcd_json.hpp"
#include "tests/cluster/etcd_fixture.hpp"

namespace tally::cluster {
namespace {

/// Passes one request a connection on to etcd, and keeps the first answers for itself.
class answer_eater {
 public:
  answer_eater(const std::string& etcd, int answers) : etcd_{etcd}, left_{answers} {
    port_ = free_ports(1)[0];
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int yes = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    auto place = place_of(port_);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&place), sizeof place) != 0 ||
        ::listen(listener_, 8) != 0) {
      ADD_FAILURE() << "cannot listen";
    }
    server_ = std::thread{[this] { serve(); }};
  }
  ~answer_eater() {
    ::shutdown(listener_, SHUT_RDWR);
    server_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string place() const { return local(port_); }

 private:
  static sockaddr_in place_of(int port) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<std::uint16_t>(port));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return place;
  }
  /// A whole message, which may come in pieces.
  static std::string take(int socket) {
    std::string message, bytes(1u << 16, '\0');
    while (!is_whole(message)) {
      const auto got = ::recv(socket, bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      message.append(bytes, 0, static_cast<std::size_t>(got));
    }
    return message;
  }
  static bool is_whole(const std::string& message) {
    constexpr std::string_view field = "Content-Length: ";
    const auto head = message.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const auto length = message.find(field);
    if (length == std::string::npos || length > head) return message.ends_with("0\r\n\r\n");
    return message.size() >= head + 4 + std::stoul(message.substr(length + field.size()));
  }
  void serve() {
    for (;;) {
      const int from = ::accept(listener_, nullptr, nullptr);
      if (from < 0) return;
      const auto request = take(from);
      const int to = ::socket(AF_INET, SOCK_STREAM, 0);
      auto place = place_of(std::stoi(etcd_.substr(etcd_.rfind(':') + 1)));
      if (::connect(to, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0) {
        ::send(to, request.data(), request.size(), MSG_NOSIGNAL);
        auto answer = take(to);
        // Else the next request may still be sent on this connection.
        answer.insert(answer.find("\r\n") + 2, "Connection: close\r\n");
        if (left_-- <= 0) ::send(from, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
      ::close(to);
      ::close(from);
    }
  }

  std::string etcd_;
  std::atomic<int> left_;
  int port_ = 0, listener_ = -1;
  std::thread server_;
};

TEST(etcd_options, name_the_field_that_is_wrong) {
  etcd_options o;
  EXPECT_NE(validate(o).error().detail.find("etcd.endpoints"), std::string::npos);
  o.endpoints = {"127.0.0.1:2379"};
  EXPECT_TRUE(validate(o).ok());
  o.user = "tally";
  EXPECT_NE(validate(o).error().detail.find("etcd.user"), std::string::npos);
  o.password = "secret";
  o.exchange.tls.certificate_file = "node.pem";
  EXPECT_NE(validate(o).error().detail.find("etcd.tls_key_file"), std::string::npos);
  o.exchange.tls.key_file = "node.key";
  EXPECT_NE(validate(o).error().detail.find("etcd.tls_ca_file"), std::string::npos);
  o.exchange.tls.ca_file = "ca.pem";
  EXPECT_TRUE(validate(o).ok());
}

TEST(etcd_json, knows_what_ends_a_prefix) {
  EXPECT_EQ(end_of_prefix("/a"), "/b");
  EXPECT_EQ(end_of_prefix("a\xff\xff"), "b");
  EXPECT_EQ(end_of_prefix("\xff"), std::string(1, '\0'));
}

TEST(etcd_json, reads_a_watch_whose_puts_name_no_type) {
  const auto line = parse_watch_line(
      R"({"result":{"header":{"revision":"7"},"events":[)"
      R"({"kv":{"key":"YQ==","create_revision":"3","mod_revision":"7","value":"Yg=="}},)"
      R"({"type":"DELETE","kv":{"key":"Yw==","mod_revision":"7"}}]}})");
  ASSERT_TRUE(line.ok());
  ASSERT_EQ(line->events.size(), 2U);
  EXPECT_FALSE(line->events[0].is_delete);
  EXPECT_EQ(line->events[0].entry.value, "b");
  EXPECT_EQ(line->events[0].entry.mod_revision, 7U);
  EXPECT_TRUE(line->events[1].is_delete);
  EXPECT_EQ(line->events[1].entry.key, "c");
}

TEST(etcd_json, takes_a_keep_alive_without_ttl_for_a_lost_lease) {
  EXPECT_EQ(parse_keep_alive(R"({"result":{"header":{},"ID":"5"}})").value().count(), 0);
  EXPECT_EQ(parse_keep_alive(R"({"result":{"header":{},"ID":"5","TTL":"2"}})").value().count(), 2);
  EXPECT_FALSE(parse_keep_alive("{}").ok());
  EXPECT_FALSE(parse_keep_alive("no json").ok());
}

TEST(etcd_json, takes_what_may_have_happened_for_unavailable) {
  const auto code = [](const char* text) { return parse_failure(503, text).code; };
  EXPECT_EQ(code(R"({"code":14,"message":"etcdserver: no leader"})"), errc::unavailable);
  EXPECT_EQ(code(R"({"code":4,"message":"timed out"})"), errc::unavailable);
  EXPECT_EQ(code("<html>"), errc::unavailable);
  EXPECT_EQ(code(R"({"code":3,"message":"too many operations"})"), errc::bad_request);
  EXPECT_EQ(code(R"({"code":3,"message":"invalid auth token"})"), errc::unauthorized);
  EXPECT_EQ(code(R"({"code":8,"message":"database space exceeded"})"), errc::over_limit);
}

class etcd_client_test : public etcd_test {};

TEST_F(etcd_client_test, swaps_only_the_version_that_it_names) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  const std::string bytes{"\0\xff\n\"", 4};
  const auto made = client.swap({"/t/a", bytes}, 0);
  ASSERT_EQ(made.outcome, swap_outcome::done);
  EXPECT_EQ(client.swap({"/t/a", "again"}, 0).outcome, swap_outcome::refused);
  const auto found = client.get("/t/a");
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->entries.size(), 1U);
  EXPECT_EQ(found->entries[0].value, bytes);
  EXPECT_EQ(found->entries[0].mod_revision, made.version);
  EXPECT_EQ(client.swap({"/t/a", "next"}, made.version).outcome, swap_outcome::done);
  EXPECT_EQ(client.swap({"/t/a", "late"}, made.version).outcome, swap_outcome::refused);
  EXPECT_EQ(client.get("/t/a")->entries[0].value, "next");
  EXPECT_TRUE(client.get("/t/none")->entries.empty());
}

TEST_F(etcd_client_test, reads_a_prefix_in_order_of_its_keys) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  ASSERT_TRUE(client.run({{}, {{"/t/b", "2"}, {"/t/a", "1"}, {"/u", "3"}}, {}}).ok());
  ASSERT_TRUE(client.run({{}, {}, {"/t/b"}}).ok());
  ASSERT_TRUE(client.run({{}, {{"/t/c", "4"}}, {}}).ok());
  const auto found = client.get_prefix("/t/");
  ASSERT_EQ(found->entries.size(), 2U);
  EXPECT_EQ(found->entries[0].key, "/t/a");
  EXPECT_EQ(found->entries[1].key, "/t/c");
}

TEST_F(etcd_client_test, does_all_of_a_transaction_or_nothing_and_keeps_its_limit) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  etcd_transaction wide;
  for (int i = 0; i < 60; ++i) {
    const auto key = "/t/" + std::to_string(i);
    wide.compares.push_back({key, 0});
    wide.puts.push_back({key, "x"});
  }
  ASSERT_TRUE(client.run(wide)->succeeded);
  EXPECT_EQ(client.get_prefix("/t/")->entries.size(), 60U);
  wide.compares[0].key = "/t/other";
  wide.puts[0] = {"/t/other", "x"};
  EXPECT_FALSE(client.run(wide)->succeeded);
  EXPECT_TRUE(client.get("/t/other")->entries.empty());
  wide.puts.push_back({"/t/more", "x"});
  EXPECT_EQ(client.run(wide).error().code, errc::over_limit);
  auto options = etcd.options();
  options.value_bytes_max = 3;
  etcd_client narrow{options};
  EXPECT_EQ(narrow.swap({"/t/long", "four"}, 0).outcome, swap_outcome::refused);
}

TEST_F(etcd_client_test, keeps_leases_and_sees_a_lost_one) {
  etcd_processes etcd{1};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  const auto lease = client.grant(2s);
  ASSERT_TRUE(lease.ok());
  EXPECT_GE(lease->ttl, 2s);
  ASSERT_TRUE(client.run({{}, {{"/t/a", "x", lease->id}}, {}}).ok());
  EXPECT_EQ(client.get("/t/a")->entries[0].lease, lease->id);
  EXPECT_GT(client.keep_alive(lease->id)->count(), 0);
  ASSERT_TRUE(client.revoke(lease->id).ok());
  EXPECT_EQ(client.keep_alive(lease->id)->count(), 0);
  EXPECT_TRUE(client.get("/t/a")->entries.empty());
  EXPECT_TRUE(client.revoke(lease->id).ok()) << "may be repeated";
}

TEST_F(etcd_client_test, goes_on_to_the_next_endpoint) {
  etcd_processes etcd{1};
  auto options = etcd.options();
  options.endpoints.insert(options.endpoints.begin(), local(free_ports(1)[0]));
  etcd_client client{options};
  ASSERT_TRUE(is_ready(client));
  client.use_next_endpoint();  // back to the dead one
  EXPECT_EQ(client.swap({"/t/a", "x"}, 0).outcome, swap_outcome::done) << "nothing was sent to it";
  client.use_next_endpoint();
  EXPECT_TRUE(client.get("/t/a").ok());
}

TEST_F(etcd_client_test, reads_after_a_swap_whose_answer_was_lost) {
  etcd_processes etcd{1};
  {
    etcd_client client{etcd.options()};
    ASSERT_TRUE(is_ready(client));
  }
  answer_eater eater{etcd.client_of(0), 1};
  auto options = etcd.options();
  options.endpoints = {eater.place()};
  etcd_client client{options};
  EXPECT_EQ(client.swap({"/t/a", "1"}, 0).outcome, swap_outcome::unknown);
  const auto found = client.get("/t/a");
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->entries.at(0).value, "1") << "it had happened";

  answer_eater again{etcd.client_of(0), 1};
  options.endpoints = {again.place()};
  etcd_client careful{options};
  const auto version = careful.swap_surely({"/t/b", "mine"}, 0);
  ASSERT_TRUE(version.ok()) << version.error().text();
  EXPECT_EQ(careful.get("/t/b")->entries.at(0).mod_revision, *version);
  EXPECT_EQ(careful.swap_surely({"/t/b", "other"}, 0).error().code, errc::conflict);
}

TEST_F(etcd_client_test, says_unavailable_where_nobody_answers) {
  auto options = etcd_processes{0}.options();
  for (const int port : free_ports(2)) options.endpoints.push_back(local(port));
  etcd_client client{options};
  EXPECT_EQ(client.get("/t/a").error().code, errc::unavailable);
  EXPECT_EQ(client.swap_surely({"/t/a", "x"}, 0, 2).error().code, errc::unavailable);
}

TEST_F(etcd_client_test, goes_on_after_the_leader_was_killed) {
  etcd_processes etcd{3};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  for (std::size_t killed = 0; killed < 3; ++killed) {
    const auto value = std::to_string(killed);
    etcd.kill(killed);  // one of the three was the leader
    std::uint64_t version = 0;
    ASSERT_TRUE(comes([&] {
      const auto found = client.get("/t/a");
      if (!found) return false;
      version = found->entries.empty() ? 0 : found->entries[0].mod_revision;
      return client.swap_surely({"/t/a", value}, version).ok();
    }));
    EXPECT_EQ(client.get("/t/a")->entries.at(0).value, value);
    etcd.start(killed);
    etcd_options only = etcd.options();
    only.endpoints = {etcd.client_of(killed)};
    etcd_client back{only};
    ASSERT_TRUE(comes([&] { return back.get("/t/a").ok(); }));
  }
}

TEST_F(etcd_client_test, goes_past_a_frozen_member) {
  etcd_processes etcd{3};
  etcd_client client{etcd.options()};
  ASSERT_TRUE(is_ready(client));
  etcd.freeze(0);
  etcd_client begins_there{etcd.options()};
  EXPECT_TRUE(comes([&] { return begins_there.get("/t/a").ok(); }));
  EXPECT_NE(begins_there.endpoint(), etcd.client_of(0));
  etcd.thaw(0);
}

TEST_F(etcd_client_test, logs_in_where_etcd_asks_for_it) {
  etcd_processes etcd{1};
  auto options = etcd.options();
  etcd_client anyone{options};
  ASSERT_TRUE(is_ready(anyone));
  http_exchange raw{etcd.client_of(0), {}};
  const std::pair<const char*, const char*> steps[] = {
      {"/v3/auth/user/add", R"({"name":"root","password":"secret"})"},
      {"/v3/auth/role/add", R"({"name":"root"})"},
      {"/v3/auth/user/grant", R"({"user":"root","role":"root"})"},
      {"/v3/auth/enable", "{}"}};
  for (const auto& [target, body] : steps) ASSERT_EQ(raw.post({target, body, {}})->status, 200U);
  EXPECT_NE(anyone.swap({"/t/a", "x"}, 0).outcome, swap_outcome::done);
  options.user = "root";
  options.password = "secret";
  etcd_client known{options};
  EXPECT_EQ(known.swap({"/t/a", "x"}, 0).outcome, swap_outcome::done);
  etcd.kill(0);
  etcd.start(0);  // it forgets its tokens
  EXPECT_TRUE(comes([&] { return known.get("/t/a").ok(); }));
  options.password = "wrong";
  etcd_client liar{options};
  EXPECT_FALSE(liar.get("/t/a").ok());
}

TEST_F(etcd_client_test, checks_certificates_both_ways) {
  testing::temp_folder folder;
  const auto make = [&](const std::string& name) {
    const auto made = std::system(
        ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
         "/CN=" +
         name + " -addext subjectAltName=IP:127.0.0.1 -keyout " + folder / (name + ".key") +
         " -out " + folder / (name + ".pem") + " 2>/dev/null")
            .c_str());
    ASSERT_EQ(made, 0);
  };
  make("good");
  make("other");
  const auto pem = folder / "good.pem", key = folder / "good.key";
  etcd_processes etcd{
      1, {"--cert-file", pem, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", pem}};
  auto options = etcd.options();
  options.exchange.tls = {pem, pem, key};
  etcd_client client{options};
  ASSERT_TRUE(is_ready(client));
  EXPECT_TRUE(client.get("/ready").ok());
  options.exchange.tls.certificate_file = options.exchange.tls.key_file = "";
  EXPECT_FALSE(etcd_client{options}.get("/ready").ok()) << "without a client's certificate";
  options.exchange.tls = {folder / "other.pem", pem, key};
  EXPECT_FALSE(etcd_client{options}.get("/ready").ok()) << "of another authority";
  options.exchange.tls = {};
  EXPECT_FALSE(etcd_client{options}.get("/ready").ok()) << "unencrypted";
}

}  // namespace
}  // namespace tally::cluster
