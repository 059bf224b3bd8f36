#include "cluster/request_relay.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>

namespace tally::cluster {
namespace {

using namespace std::chrono_literals;

relayed_request sample_request() {
  return {"POST",
          "/api/v2/query",
          "a=b",
          {{"Authorization", "Bearer tk_x"}, {"Accept", ""}},
          std::string("{\0}", 3),
          "::1",
          "r1"};
}
relayed_answer sample_answer() {
  return {206, "text/csv", {{"Tally-Next", "x"}}, "a,b\n", true};
}

/// A cluster of which a test says who leads and what the nodes answer.
class request_relay_test : public ::testing::Test {
 protected:
  using reply = std::function<void(result<std::string>)>;

  request_relay::ways ways() {
    request_relay::ways w;
    w.leader_elsewhere = [this](std::string_view) {
      const std::scoped_lock lock{mutex_};
      return leader_;
    };
    w.ask = [this](node_id to, const std::string& kind, const std::string& body,
                   std::chrono::milliseconds, const reply& then) {
      EXPECT_EQ(kind, "http");
      const auto asked = decode_relayed_request(body);
      EXPECT_TRUE(asked && *asked == sample_request());
      std::function<void(node_id, const reply&)> answering;
      {
        const std::scoped_lock lock{mutex_};
        asked_.push_back(to.value);
        answering = answering_;
      }
      answering(to, then);
    };
    return w;
  }
  /// What `send` comes to.
  static request_relay::outcome send(request_relay& relay) {
    std::promise<request_relay::outcome> came;
    relay.send("m1", sample_request(),
               [&](request_relay::outcome o) { came.set_value(std::move(o)); });
    return came.get_future().get();
  }
  static std::string with_status(unsigned status) {
    auto a = sample_answer();
    a.status = status;
    return encode(a);
  }
  void lead(std::optional<std::uint32_t> node) {
    const std::scoped_lock lock{mutex_};
    leader_ = node ? std::optional{node_id{*node}} : std::nullopt;
  }

  std::mutex mutex_;
  std::optional<node_id> leader_;
  std::function<void(node_id, const reply&)> answering_;
  std::vector<std::uint32_t> asked_;
};

TEST_F(request_relay_test, both_forms_come_back_and_damage_is_refused) {
  const auto request = encode(sample_request());
  const auto answer = encode(sample_answer());
  ASSERT_TRUE(decode_relayed_request(request));
  EXPECT_TRUE(*decode_relayed_request(request) == sample_request());
  ASSERT_TRUE(decode_relayed_answer(answer));
  EXPECT_TRUE(*decode_relayed_answer(answer) == sample_answer());
  for (std::size_t size = 0; size < request.size(); ++size)
    EXPECT_FALSE(decode_relayed_request(request.substr(0, size))) << size;
  for (std::size_t size = 0; size < answer.size(); ++size)
    EXPECT_FALSE(decode_relayed_answer(answer.substr(0, size))) << size;
  EXPECT_FALSE(decode_relayed_request(request + "x"));
  auto other = request;
  other[0] = 2;
  EXPECT_EQ(decode_relayed_request(other).error().code, errc::unsupported);
  EXPECT_FALSE(decode_relayed_answer(with_status(99)));
}

TEST_F(request_relay_test, what_this_node_leads_is_answered_here) {
  request_relay relay{ways()};
  const auto came = send(relay);
  ASSERT_TRUE(came);
  EXPECT_FALSE(came->has_value());
  EXPECT_FALSE(relay.is_elsewhere("m1"));
}

TEST_F(request_relay_test, the_leaders_answer_comes_back_as_it_is) {
  lead(3);
  answering_ = [](node_id, const reply& then) { then(encode(sample_answer())); };
  request_relay relay{ways()};
  EXPECT_TRUE(relay.is_elsewhere("m1"));
  const auto came = send(relay);
  ASSERT_TRUE(came && came->has_value());
  EXPECT_TRUE((*came)->answer == sample_answer());
  EXPECT_EQ((*came)->by, node_id{3});
}

TEST_F(request_relay_test, follows_a_shard_that_moves_and_a_leader_that_dies) {
  lead(3);
  int attempt = 0;
  answering_ = [&](node_id, const reply& then) {
    switch (++attempt) {
      case 1:
        return then(with_status(relay_moved_status));
      case 2:
        lead(4);
        return then(failure{errc::unavailable, "node 3 went away"});
      default:
        then(encode(sample_answer()));
    }
  };
  request_relay relay{ways()};
  const auto came = send(relay);
  ASSERT_TRUE(came && came->has_value());
  EXPECT_EQ((*came)->by, node_id{4});
  EXPECT_EQ(asked_, (std::vector<std::uint32_t>{3, 3, 4}));
}

TEST_F(request_relay_test, a_shard_that_moves_here_is_answered_here) {
  lead(3);
  answering_ = [&](node_id, const reply& then) {
    lead(std::nullopt);
    then(with_status(relay_moved_status));
  };
  request_relay relay{ways()};
  const auto came = send(relay);
  ASSERT_TRUE(came);
  EXPECT_FALSE(came->has_value());
}

TEST_F(request_relay_test, gives_up_when_its_patience_ends) {
  lead(3);
  answering_ = [](node_id, const reply& then) { then(with_status(relay_moved_status)); };
  request_relay relay{ways(), {.patience = 200ms, .pause_min = 10ms, .pause_max = 20ms}};
  const auto came = send(relay);
  ASSERT_FALSE(came);
  EXPECT_EQ(came.error().code, errc::unavailable);
  EXPECT_GT(asked_.size(), 1u);
}

TEST_F(request_relay_test, what_no_other_attempt_would_change_is_not_tried_again) {
  lead(3);
  answering_ = [](node_id, const reply& then) { then(failure{errc::over_limit, "large"}); };
  request_relay relay{ways()};
  EXPECT_EQ(send(relay).error().text(), "over_limit: large");
  answering_ = [](node_id, const reply& then) { then(std::string{"?"}); };
  EXPECT_FALSE(send(relay));
  EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(request_relay_test, no_more_than_so_many_pause_and_none_is_left_at_the_end) {
  lead(3);
  answering_ = [](node_id, const reply& then) { then(with_status(relay_moved_status)); };
  int failed = 0;
  {
    request_relay relay{ways(),
                        {.patience = 1h, .pause_min = 30min, .pause_max = 30min, .waiting_max = 2}};
    for (int i = 0; i < 3; ++i)
      relay.send("m1", sample_request(),
                 [&](const request_relay::outcome& o) { failed += o ? 0 : 1; });
    EXPECT_EQ(failed, 1);
  }
  EXPECT_EQ(failed, 3);
}

}  // namespace
}  // namespace tally::cluster
