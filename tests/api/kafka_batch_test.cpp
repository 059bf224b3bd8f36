#include "api/kafka_batch.hpp"

#include <gtest/gtest.h>

#include "persistence/event_codec.hpp"
#include "tests/api/ingest_samples.hpp"

namespace tally::api {
namespace {

kafka_message message(std::string_view value, std::int64_t offset = 17,
                      std::int64_t at_ms = 1'000) {
  return {"clicks", 3, offset, client_time_from_ms(at_ms), value};
}

/// The events that a batch submits; texts point into `kept`.
struct submitted {
  explicit submitted(const kafka_batch& batch) : kept{batch.make_submission()} {
    for (const auto& entry : kept->events) {
      event e;
      EXPECT_TRUE(persistence::decode_event(kept->bytes_of(entry), e));
      events.push_back(e);
    }
  }
  actors::submission_ptr kept;
  std::vector<event> events;
};

submitted of(const std::vector<kafka_message>& messages) {
  kafka_batch batch{{}, sample_now};
  for (const auto& m : messages) batch.add(m, "shop");
  return submitted{batch};
}

TEST(kafka_batch, an_event_is_who_it_says_or_where_its_message_stands) {
  const auto own = of({message(R"({"id": "a", "at": 5000, "name": "x"})")});
  EXPECT_EQ(own.events.at(0).id, "a");
  EXPECT_EQ(to_ms(own.events.at(0).at), 5'000);
  const auto none = of({message(R"([{"name": "x"}, {"name": "x"}])")});
  const auto again = of({message(R"([{"name": "x"}, {"name": "x"}])")});
  ASSERT_EQ(none.events.size(), 2u);
  EXPECT_NE(none.events[0].id, none.events[1].id);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(none.events[i].id, again.events[i].id);
    EXPECT_EQ(none.events[i].origin, id_origin::client);
    EXPECT_EQ(to_ms(none.events[i].sent.at), 1'000);
    EXPECT_EQ(none.events[i].merchant, "shop");
  }
  const auto elsewhere =
      of({message(R"({"name": "x"})", 18), message(R"({"name": "x"})", 17, 1'001)});
  EXPECT_NE(elsewhere.events[0].id, none.events[0].id);
  EXPECT_NE(elsewhere.events[1].id, none.events[0].id) << "the topic was made anew";
  // An order without an id and a time of its own goes by its message too, for as long as needed.
  const auto order = of({message(R"({"name": "purchase", "order": {"id": "o", "total": 1}})")});
  EXPECT_NE(order.events.at(0).id, "order:o");
}

TEST(kafka_batch, what_only_a_trusted_sender_may_say_is_believed) {
  const auto made = of({message(R"({"name": "x", "country": "DE", "device": "tv"})")});
  EXPECT_EQ(made.events.at(0).country, "DE");
  EXPECT_EQ(made.events.at(0).device, "tv");
  EXPECT_EQ(made.events.at(0).network, "");
}

TEST(kafka_batch, refusals_name_their_place_and_are_the_same_again) {
  const auto made = of({message("{oops"), message("", 18), message(R"({"name": 7})", 19)});
  ASSERT_EQ(made.events.size(), 2u);
  EXPECT_EQ(made.events[0].kind, event_kind::rejected);
  EXPECT_EQ(made.events[0].merchant, "shop");
  EXPECT_TRUE(made.events[0].title.starts_with("clicks/3@17: ")) << made.events[0].title;
  EXPECT_EQ(made.events[0].raw, "{oops");
  EXPECT_TRUE(made.events[1].title.starts_with("clicks/3@19: ")) << made.events[1].title;
  const auto again = of({message("{oops")});
  EXPECT_EQ(again.events[0].id, made.events[0].id);
  EXPECT_EQ(again.events[0].sent.at, made.events[0].sent.at);
  EXPECT_NE(made.events[1].id, made.events[0].id);
}

TEST(kafka_batch, knows_what_comes_next_and_can_be_submitted_again) {
  kafka_batch batch{{}, sample_now};
  EXPECT_TRUE(batch.make_submission()->events.empty());
  batch.add(message(R"({"name": "x"})", 17), "shop");
  batch.add(message("", 40), "shop");
  EXPECT_EQ(batch.messages(), 2u);
  EXPECT_EQ(batch.next(), (kafka_batch::places{{{"clicks", 3}, 41}}));
  const auto one = batch.make_submission(), two = batch.make_submission();
  EXPECT_NE(one, two);
  EXPECT_EQ(one->bytes, two->bytes);
  EXPECT_EQ(one->events.size(), 1u);
}

}  // namespace
}  // namespace tally::api
