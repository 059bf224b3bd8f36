#include "api/relayed_request.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "api/http_handover.hpp"
#include "api/problem.hpp"
#include "cluster/peer_links.hpp"
#include "tests/support/http_client.hpp"

namespace tally::api {
namespace {

// Large answers take an instrumented build long.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::chrono::seconds patience{15};
constexpr std::size_t large_bytes = 700u << 10;
#else
constexpr std::chrono::seconds patience{2};
constexpr std::size_t large_bytes = 3u << 20;
#endif

using namespace std::chrono_literals;

/// A node with a public server; merchants whose name ends in its number are led by it. Of those
/// that begin with x each node takes the other for the leader; those that are moving come to
/// node 2.
class relaying_node {
 public:
  explicit relaying_node(std::uint32_t self) : self_{self} {
    cluster::request_relay::ways ways;
    ways.leader_elsewhere = [this](std::string_view merchant) -> std::optional<node_id> {
      if (merchant.starts_with("x")) return node_id{self_ == 1 ? 2u : 1u};
      if (merchant.starts_with("moving") && self_ == 2 && !has_moved) return node_id{1};
      const node_id leader{static_cast<std::uint32_t>(merchant.back() - '0')};
      return leader == node_id{self_} ? std::nullopt : std::optional{leader};
    };
    ways.ask = [this](node_id to, const std::string& kind, const std::string& body,
                      std::chrono::milliseconds timeout,
                      auto then) { links_->ask(to, kind, body, timeout, std::move(then)); };
    relay_ = std::make_shared<cluster::request_relay>(
        std::move(ways),
        cluster::relay_options{.patience = patience, .pause_min = 10ms, .pause_max = 50ms});
    routes_ = [this](http_request&& request, respond answer) {
      handle(std::move(request), std::move(answer));
    };
    auto server = http_server::start({.listen = {"127.0.0.1:0"}, .loops = 2}, routes_);
    EXPECT_TRUE(server);
    server_ = std::move(*server);
    start_links();
  }
  ~relaying_node() { links_.reset(); }
  relaying_node(const relaying_node&) = delete;
  relaying_node& operator=(const relaying_node&) = delete;

  [[nodiscard]] cluster::peer_address address() const {
    return {node_id{self_}, "127.0.0.1", links_->port()};
  }
  void meet(const std::vector<cluster::peer_address>& all) { links_->set_peers(all); }
  [[nodiscard]] bool sees(std::uint32_t peer) const {
    for (int i = 0; i < 20'000 && !links_->is_up(node_id{peer}); ++i) usleep(1'000);
    return links_->is_up(node_id{peer});
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  void leave() { links_->set_peers({}); }

  std::atomic<bool> has_moved{false};
  std::atomic<int> served{0};

 private:
  void start_links() {
    cluster::peer_links::callbacks told;
    told.on_up = told.on_down = [](node_id) {};
    told.on_messages = [](node_id, const std::vector<replica_message>&) {};
    told.on_request = [this](node_id, const std::string& kind, const std::string& body,
                             auto reply) {
      ASSERT_EQ(kind, cluster::relay_kind);
      serve_relayed(*server_, next_++, routes_, body, std::move(reply));
    };
    cluster::peer_options options;
    options.silence_max = std::max<std::chrono::milliseconds>(options.silence_max, patience / 2);
    auto links = cluster::peer_links::start(options, node_id{self_}, 7, std::move(told));
    ASSERT_TRUE(links) << links.error().text();
    links_ = std::move(*links);
  }
  void handle(http_request&& incoming, respond answer) {
    auto request = std::make_shared<http_request>(std::move(incoming));
    const auto merchant = request->parameter("merchant").value_or("m1");
    answer_by_leader(*relay_, *request, merchant, std::move(answer),
                     [this, request](const respond& to) { answer_here(*request, to); });
  }
  void answer_here(const http_request& request, const respond& to) {
    ++served;
    if (request.path == "/bad") return to(problem(422, "bad_thing", "no"));
    if (request.path == "/endless") {
      http_response endless;
      endless.take_over = [](http_handover&&) { return nullptr; };
      return to(std::move(endless));
    }
    if (request.path == "/large") return to({200, "text/plain", std::string(large_bytes, 'l')});
    std::string seen;
    for (const char* name : {"Authorization", "Accept", "Connection", "Content-Length"})
      seen += std::string{name} + "=" + std::string{request.header(name).value_or("-")} + ";";
    http_response out{203, "text/csv",
                      std::string{to_string(request.method)} + " " + request.path + "?" +
                          request.query + " " + request.client_address + " " + seen + request.body};
    out.headers.emplace_back("Tally-Next", "42");
    to(std::move(out));
  }

  std::uint32_t self_;
  std::shared_ptr<cluster::request_relay> relay_;
  handler routes_;
  std::unique_ptr<http_server> server_;
  std::unique_ptr<cluster::peer_links> links_;
  std::atomic<std::size_t> next_{0};
};

class relayed_request_test : public ::testing::Test {
 protected:
  void SetUp() override {
    for (auto* node : {&one, &two}) node->meet({one.address(), two.address()});
    ASSERT_TRUE(one.sees(2) && two.sees(1));
  }
  static test::http_answer ask(const relaying_node& node, std::string_view method,
                               std::string_view target, std::string_view body = {},
                               std::string_view headers = {}) {
    auto client = test::http_client::tcp(node.port());
    auto answer = client.ask(method, target, body, headers);
    EXPECT_TRUE(answer) << "no answer to " << target;
    return answer.value_or(test::http_answer{});
  }

  relaying_node one{1}, two{2};
};

TEST_F(relayed_request_test, a_question_about_what_this_node_leads_stays_here) {
  const auto answer = ask(one, "GET", "/v1/merchant?merchant=m1");
  EXPECT_EQ(answer.status, 203);
  EXPECT_FALSE(answer.headers.contains("tally-node"));
  EXPECT_EQ(one.served, 1);
  EXPECT_EQ(two.served, 0);
}

TEST_F(relayed_request_test, the_other_nodes_answer_comes_back_unchanged_and_says_whose_it_is) {
  const auto answer = ask(one, "POST", "/v1/x?merchant=m2&a=%20", "body",
                          "Authorization: Bearer k\r\nAccept: text/csv\r\n"
                          "Connection: close\r\n");
  EXPECT_EQ(answer.status, 203);
  EXPECT_EQ(answer.headers.at("content-type"), "text/csv");
  EXPECT_EQ(answer.headers.at("tally-next"), "42");
  EXPECT_EQ(answer.headers.at("tally-node"), "2");
  EXPECT_EQ(answer.body,
            "POST /v1/x?merchant=m2&a=%20 127.0.0.1 "
            "Authorization=Bearer k;Accept=text/csv;Connection=-;Content-Length=-;body");
  EXPECT_EQ(one.served, 0);
  EXPECT_EQ(two.served, 1);
}

TEST_F(relayed_request_test, large_answers_problems_and_heads_come_back_too) {
  EXPECT_EQ(ask(two, "GET", "/large?merchant=m1").body, std::string(large_bytes, 'l'));
  const auto refused = ask(two, "GET", "/bad?merchant=m1", {}, "X-Request-Id: mine\r\n");
  EXPECT_EQ(refused.status, 422);
  EXPECT_NE(refused.body.find("bad_thing"), std::string::npos);
  EXPECT_NE(refused.body.find("\"request_id\":\"mine\""), std::string::npos) << refused.body;
  const auto head = ask(two, "HEAD", "/v1/x?merchant=m1");
  EXPECT_EQ(head.status, 203);
  EXPECT_TRUE(head.body.empty());
  EXPECT_EQ(ask(two, "GET", "/endless?merchant=m1").status, 501);
}

TEST_F(relayed_request_test, a_request_is_never_sent_on_twice) {
  // Each node takes the other for the leader of merchant "x3", whom nobody is.
  const auto answer = ask(one, "GET", "/v1/x?merchant=x3");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_EQ(one.served + two.served, 0);
}

TEST_F(relayed_request_test, a_leader_that_has_not_heard_of_it_yet_is_asked_again) {
  std::thread later{[this] {
    for (int i = 0; i < 50; ++i) usleep(10'000);
    two.has_moved = true;
  }};
  const auto answer = ask(one, "GET", "/v1/x?merchant=moving2");
  later.join();
  EXPECT_EQ(answer.status, 203);
  EXPECT_EQ(answer.headers.at("tally-node"), "2");
}

TEST_F(relayed_request_test, a_leader_that_is_gone_is_waited_for_and_then_it_is_503) {
  two.leave();
  const auto answer = ask(one, "GET", "/v1/x?merchant=m2");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_NE(answer.body.find("unavailable"), std::string::npos);
}

TEST_F(relayed_request_test, damaged_requests_of_a_peer_are_answered_with_a_failure) {
  auto server =
      http_server::start({.listen = {"127.0.0.1:0"}}, [](http_request&&, const respond&) {});
  ASSERT_TRUE(server);
  std::string said;
  serve_relayed(**server, 0, {}, "?",
                [&](const result<std::string>& a) { said = a ? "answered" : a.error().text(); });
  EXPECT_NE(said.find("version"), std::string::npos) << said;
  cluster::relayed_request request;
  request.headers.emplace_back("Long", std::string(70'000, 'x'));
  serve_relayed(**server, 0, {}, cluster::encode(request),
                [&](const result<std::string>& a) { said = a ? "answered" : a.error().text(); });
  EXPECT_NE(said.find("field"), std::string::npos) << said;
}

}  // namespace
}  // namespace tally::api
