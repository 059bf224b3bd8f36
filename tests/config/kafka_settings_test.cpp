#include "config/kafka_settings.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace tally::config {
namespace {

result<api::kafka_options> made_of(const std::string& section) {
  settings s;
  const auto read = s.read_toml("[kafka]\n" + section, "t.toml");
  EXPECT_TRUE(read) << read.error().detail;
  return make_kafka_options(s);
}

std::string refusal_of(const std::string& section) {
  const auto made = made_of(section);
  return made ? "taken" : made.error().detail;
}

TEST(kafka_settings, nothing_is_read_where_no_broker_is_named) {
  const auto made = made_of("");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->brokers.empty());
}

TEST(kafka_settings, topics_have_merchants) {
  const auto made = made_of(R"(
brokers = ["a:9092", "[::1]:9093"]
topics = ["shop.clicks=shop", "x_y-2=bakery"]
begin = "end"
batch_bytes_max = "2MiB"
position_interval = "50ms"
)");
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->brokers, "a:9092,[::1]:9093");
  ASSERT_EQ(made->topics.size(), 2u);
  EXPECT_EQ(made->topics[1].topic + " " + made->topics[1].merchant, "x_y-2 bakery");
  EXPECT_TRUE(made->from_end);
  EXPECT_EQ(made->batch_bytes_max, 2u << 20);
  EXPECT_EQ(made->position_interval, std::chrono::milliseconds{50});
}

TEST(kafka_settings, what_makes_no_sense_is_named) {
  const std::string brokers = "brokers = [\"a:1\"]\n";
  const auto topics = [&](const std::string& list) {
    return refusal_of(brokers + "topics = [" + list + "]");
  };
  EXPECT_NE(refusal_of("brokers = [\"a\"]").find("kafka.brokers"), std::string::npos);
  EXPECT_NE(refusal_of(brokers).find("kafka.topics"), std::string::npos);
  EXPECT_NE(refusal_of("topics = [\"a=b\"]").find("kafka.brokers"), std::string::npos);
  EXPECT_NE(topics("\"clicks\"").find("TOPIC=MERCHANT"), std::string::npos);
  EXPECT_NE(topics("\"cl icks=shop\"").find("'cl icks'"), std::string::npos);
  EXPECT_NE(topics("\"clicks=sh op\"").find("'sh op'"), std::string::npos);
  EXPECT_NE(topics("\"a=b\", \"a=c\"").find("twice"), std::string::npos);
}

TEST(kafka_settings, properties_stand_in_a_file_of_their_own) {
  const testing::temp_folder folder;
  const auto path = folder / "kafka.properties";
  const auto section =
      "brokers = [\"a:1\"]\ntopics = [\"a=b\"]\nproperties_file = \"" + path + "\"";
  EXPECT_NE(refusal_of(section).find("cannot be read"), std::string::npos);
  std::ofstream{path} << "# how to get in\n\n security.protocol = SASL_SSL \r\nsasl.password=a=b\n";
  const auto made = made_of(section);
  ASSERT_TRUE(made) << made.error().detail;
  const std::vector<std::pair<std::string, std::string>> wanted{{"security.protocol", "SASL_SSL"},
                                                                {"sasl.password", "a=b"}};
  EXPECT_EQ(made->client, wanted);
  std::ofstream{path} << "\nnonsense\n";
  EXPECT_NE(refusal_of(section).find("line 2"), std::string::npos);
}

}  // namespace
}  // namespace tally::config
