#include "cluster/peer_channel.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "cluster/replica_wire.hpp"
#include "tests/cluster/replica_samples.hpp"

namespace tally::cluster {
namespace {

using namespace std::chrono_literals;

replica_message beacon(std::uint64_t commit) {
  replica_message m;
  m.body = append_message{.config_version = 1,
                          .prev = {},
                          .chunks = {},
                          .end = commit,
                          .commit = commit,
                          .acked = 0,
                          .sent_at = {}};
  return m;
}
replica_message data(std::uint64_t commit, std::size_t bytes) {
  auto m = beacon(commit);
  std::get<append_message>(m.body).chunks.push_back(
      sample_chunk(0, 1, std::string(bytes, static_cast<char>('a' + commit % 26))));
  return m;
}
std::uint64_t commit_of(const replica_message& m) {
  return std::get<append_message>(m.body).commit;
}

/// Two channels whose pieces wait in a queue until a test hands them over.
class peer_channel_test : public ::testing::Test {
 protected:
  peer_channel_test() {
    options_.piece_bytes_max = 4'096;
    options_.data_window_bytes_max = options_.signal_window_bytes_max = 16'384;
    options_.call_window_bytes_max = 8'192;
    options_.call_bytes_max = 65'536;
    options_.call_queue_bytes_max = 131'072;
    options_.frame_bytes_max = 65'536;
    options_.calls_max = 4;
  }

  struct end {
    explicit end(const peer_options& options)
        : metrics{std::make_shared<peer_metrics>()},
          channel{std::make_shared<peer_channel>(node_id{2}, options, metrics)},
          inbox{options} {}
    void open() {
      number = channel->open(
          {[this](peer_piece piece) { sent.push_back(std::move(piece)); }, [this] { ++armed; }});
    }
    std::shared_ptr<peer_metrics> metrics;
    std::shared_ptr<peer_channel> channel;
    peer_inbox inbox;  // of what the other end sends
    std::deque<peer_piece> sent;
    int armed = 0;
    std::uint64_t number = 0;
  };

  std::shared_ptr<end> make() {
    auto made = std::make_shared<end>(options_);
    made->open();
    return made;
  }
  /// The next piece of `from` arrives at `to`, whose credit comes back at once.
  static std::optional<peer_inbox::item> deliver(end& from, end& to) {
    auto piece = std::move(from.sent.front());
    from.sent.pop_front();
    const auto lane = piece.lane;
    const auto size = piece.bytes.size();
    auto whole = to.inbox.take(std::move(piece));
    EXPECT_TRUE(whole) << whole.error().text();
    from.channel->credit(lane, size);
    return whole ? std::move(*whole) : std::nullopt;
  }
  /// Everything of `from` arrives at `to`.
  static std::vector<peer_inbox::item> deliver_all(end& from, end& to) {
    std::vector<peer_inbox::item> items;
    while (!from.sent.empty())
      if (auto item = deliver(from, to)) items.push_back(std::move(*item));
    return items;
  }
  static void ask(end& from, const std::string& body, std::vector<result<std::string>>& answers,
                  std::chrono::milliseconds timeout = 1h) {
    from.channel->ask("kind", body, timeout,
                      [&answers](result<std::string> a) { answers.push_back(std::move(a)); });
  }

  peer_options options_;
};

TEST_F(peer_channel_test, sends_nothing_while_nobody_is_connected) {
  auto a = make();
  a->channel->close(a->number);
  a->channel->send({beacon(1), beacon(2)});
  EXPECT_TRUE(a->sent.empty());
  EXPECT_EQ(a->metrics->messages_dropped, 2u);
  std::vector<result<std::string>> answers;
  ask(*a, "x", answers);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, errc::unavailable);
}

TEST_F(peer_channel_test, what_has_no_chunks_goes_before_what_has) {
  auto a = make(), b = make();
  a->channel->send({data(1, 100), beacon(2), data(3, 100), beacon(4)});
  const auto items = deliver_all(*a, *b);
  ASSERT_EQ(items.size(), 2u);
  std::vector<std::uint64_t> order;
  for (const auto& item : items) {
    const auto messages = decode_frame(item.bytes);
    ASSERT_TRUE(messages);
    for (const auto& m : *messages) order.push_back(commit_of(m));
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{2, 4, 1, 3}));
  EXPECT_EQ(items[0].lane, peer_lane::signal);
  EXPECT_EQ(items[1].lane, peer_lane::data);
}

TEST_F(peer_channel_test, fills_frames_and_cuts_what_is_larger_into_pieces) {
  auto a = make(), b = make();
  // Of 1 KiB each: three fit into a piece; of 10,000 bytes: alone, in three pieces.
  a->channel->send({data(1, 1'024), data(2, 1'024), data(3, 1'024), data(4, 1'024)});
  EXPECT_EQ(a->sent.size(), 2u);
  for (const auto& piece : a->sent) EXPECT_LE(piece.bytes.size(), options_.piece_bytes_max);
  EXPECT_EQ(deliver_all(*a, *b).size(), 2u);
  a->channel->send({data(5, 10'000)});
  EXPECT_EQ(a->sent.size(), 3u);
  for (const auto& piece : a->sent) EXPECT_LE(piece.bytes.size(), options_.piece_bytes_max);
  const auto items = deliver_all(*a, *b);
  ASSERT_EQ(items.size(), 1u);
  const auto messages = decode_frame(items[0].bytes);
  ASSERT_TRUE(messages) << messages.error().text();
  EXPECT_EQ(message_text::of(messages->at(0)), message_text::of(data(5, 10'000)));
}

TEST_F(peer_channel_test, drops_and_counts_data_behind_a_full_window_and_goes_on_after_credit) {
  auto a = make(), b = make();
  for (std::uint64_t i = 0; i < 100; ++i) a->channel->send({data(i, 3'000)});
  std::size_t bytes = 0;
  for (const auto& piece : a->sent) bytes += piece.bytes.size();
  EXPECT_LE(bytes, options_.data_window_bytes_max);
  EXPECT_EQ(a->metrics->messages_dropped + a->sent.size(), 100u);
  EXPECT_EQ(a->metrics->messages_sent, a->sent.size());
  // Beacons have a window of their own.
  a->channel->send({beacon(7)});
  EXPECT_EQ(a->sent.back().lane, peer_lane::signal);
  const auto before = a->metrics->messages_dropped.load();
  deliver_all(*a, *b);
  a->channel->send({data(0, 3'000)});
  EXPECT_EQ(a->metrics->messages_dropped, before);
  EXPECT_EQ(a->sent.size(), 1u);
}

TEST_F(peer_channel_test, a_message_larger_than_the_window_goes_alone) {
  auto a = make(), b = make();
  a->channel->send({data(1, 40'000)});
  EXPECT_EQ(a->metrics->messages_dropped, 0u);
  a->channel->send({data(2, 40'000)});
  EXPECT_EQ(a->metrics->messages_dropped, 1u);
  EXPECT_EQ(deliver_all(*a, *b).size(), 1u);
  a->channel->send({data(3, 40'000)});
  EXPECT_EQ(a->metrics->messages_dropped, 1u);
}

TEST_F(peer_channel_test, beacons_to_a_peer_that_takes_none_are_bounded_too) {
  auto a = make();
  for (std::uint64_t i = 0; i < 10'000; ++i) a->channel->send({beacon(i)});
  std::size_t bytes = 0;
  for (const auto& piece : a->sent) bytes += piece.bytes.size();
  EXPECT_LE(bytes, options_.signal_window_bytes_max);
  EXPECT_GT(a->metrics->messages_dropped, 0u);
}

TEST_F(peer_channel_test, brings_a_request_there_and_its_answer_back) {
  auto a = make(), b = make();
  std::vector<result<std::string>> answers;
  ask(*a, std::string(10'000, 'q'), answers);
  EXPECT_EQ(a->armed, 1);
  auto items = deliver_all(*a, *b);
  ASSERT_EQ(items.size(), 1u);
  const auto asked = read_request(items[0].bytes);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->first, "kind");
  EXPECT_EQ(asked->second, std::string(10'000, 'q'));
  b->channel->serve(b->number, items[0].call)(std::string(20'000, 'r'));
  items = deliver_all(*b, *a);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_TRUE(items[0].is_answer);
  a->channel->answered(items[0].call, items[0].bytes);
  ASSERT_EQ(answers.size(), 1u);
  ASSERT_TRUE(answers[0]);
  EXPECT_EQ(*answers[0], std::string(20'000, 'r'));
  EXPECT_FALSE(a->channel->expire());
}

TEST_F(peer_channel_test, a_failure_comes_back_with_its_code_and_a_dropped_request_is_one) {
  auto a = make(), b = make();
  std::vector<result<std::string>> answers;
  ask(*a, "1", answers);
  ask(*a, "2", answers);
  const auto asked = deliver_all(*a, *b);
  ASSERT_EQ(asked.size(), 2u);
  b->channel->serve(b->number, asked[0].call)(failure{errc::not_found, "no such merchant"});
  b->channel->serve(b->number, asked[1].call);
  for (auto& item : deliver_all(*b, *a)) a->channel->answered(item.call, item.bytes);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].error().text(), "not_found: no such merchant");
  EXPECT_EQ(answers[1].error().code, errc::unavailable);
}

TEST_F(peer_channel_test, a_small_answer_overtakes_a_large_one) {
  auto a = make(), b = make();
  std::vector<result<std::string>> answers;
  ask(*a, "large", answers);
  ask(*a, "small", answers);
  const auto asked = deliver_all(*a, *b);
  b->channel->serve(b->number, asked[0].call)(std::string(60'000, 'l'));
  b->channel->serve(b->number, asked[1].call)(std::string(100, 's'));
  std::size_t unanswered = 0;
  for (const auto& piece : b->sent) unanswered += piece.bytes.size();
  EXPECT_LT(unanswered, options_.call_window_bytes_max + options_.piece_bytes_max);
  const auto items = deliver_all(*b, *a);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].call, asked[1].call);
  EXPECT_EQ(items[1].bytes.size(), 60'001u);
}

TEST_F(peer_channel_test, requests_are_bounded_in_number_and_bytes) {
  auto a = make();
  std::vector<result<std::string>> answers;
  ask(*a, std::string(options_.call_bytes_max + 1, 'x'), answers);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, errc::over_limit);
  for (int i = 0; i < 4; ++i) ask(*a, std::string(60'000, 'x'), answers);
  ASSERT_EQ(answers.size(), 3u) << "two such wait, the third and fourth have too many bytes";
  EXPECT_EQ(answers[1].error().code, errc::over_limit);
  ask(*a, "x", answers);
  ask(*a, "x", answers);
  EXPECT_EQ(answers.size(), 3u);
  ask(*a, "x", answers);
  ASSERT_EQ(answers.size(), 4u) << "four wait, more are not taken";
  EXPECT_EQ(answers[3].error().code, errc::over_limit);
}

TEST_F(peer_channel_test, requests_of_a_peer_are_bounded_in_number) {
  auto a = make(), b = make();
  std::vector<peer_channel::answer> open;
  for (std::uint64_t call = 1; call <= 4; ++call) {
    open.push_back(b->channel->serve(b->number, call));
    EXPECT_TRUE(open.back());
  }
  EXPECT_FALSE(b->channel->serve(b->number, 5));
  const auto items = deliver_all(*b, *a);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].call, 5u);
  EXPECT_EQ(items[0].bytes[0], static_cast<char>(errc::over_limit));
  open[0](std::string{"done"});
  EXPECT_TRUE(b->channel->serve(b->number, 6));
}

TEST_F(peer_channel_test, an_answer_that_is_too_large_says_so) {
  auto a = make(), b = make();
  b->channel->serve(b->number, 1)(std::string(options_.call_bytes_max, 'x'));
  const auto items = deliver_all(*b, *a);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].bytes[0], static_cast<char>(errc::over_limit));
}

TEST_F(peer_channel_test, a_request_ends_at_its_time_and_its_late_answer_is_nobodys) {
  auto a = make();
  std::vector<result<std::string>> answers;
  ask(*a, "x", answers, 0ms);
  ask(*a, "y", answers);
  EXPECT_TRUE(a->channel->expire());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, errc::unavailable);
  a->channel->answered(1, std::string(1, '\0'));
  EXPECT_EQ(answers.size(), 1u);
  a->channel->answered(2, std::string(1, '\0'));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[1]);
  EXPECT_FALSE(a->channel->expire());
}

TEST_F(peer_channel_test, the_end_of_a_connection_fails_what_waits_and_frees_what_it_held) {
  auto a = make(), b = make();
  std::vector<result<std::string>> answers;
  ask(*a, std::string(60'000, 'x'), answers);
  auto reply = b->channel->serve(b->number, 1);
  a->channel->close(a->number);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, errc::unavailable);
  EXPECT_FALSE(a->channel->is_open());
  b->channel->close(b->number);
  b->open();
  b->sent.clear();
  reply(std::string{"late"});
  EXPECT_TRUE(b->sent.empty()) << "an answer goes only to the connection that asked";
  a->sent.clear();
  a->open();
  a->channel->close(1);
  EXPECT_TRUE(a->channel->is_open()) << "an old connection's end is not a new one's";
  a->channel->send({data(1, 12'000)});
  EXPECT_EQ(a->metrics->messages_dropped, 0u);
}

TEST_F(peer_channel_test, refuses_frames_and_calls_that_no_peer_would_send) {
  peer_inbox frames{options_}, calls{options_}, many{options_};
  bool ok = true;
  for (int i = 0; i < 20 && ok; ++i)
    ok = frames.take({peer_lane::data, 0, false, false, std::string(4'096, 'x')}).ok();
  EXPECT_FALSE(ok);
  // A call that is too large is dropped, and its end says so.
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(calls.take({peer_lane::call, 1, false, false, std::string(4'096, 'x')}));
  const auto last = calls.take({peer_lane::call, 1, false, true, "x"});
  ASSERT_TRUE(last && *last);
  EXPECT_TRUE((*last)->too_large);
  EXPECT_TRUE((*last)->bytes.empty());
  ok = true;
  for (std::uint64_t i = 0; i < 20 && ok; ++i)
    ok = many.take({peer_lane::call, i, false, false, "x"}).ok();
  EXPECT_FALSE(ok);
  EXPECT_FALSE(read_request("\x05kin"));
}

}  // namespace
}  // namespace tally::cluster
