#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/kafka_batch.hpp"
#include "api/kafka_source.hpp"

namespace tally::api {

/// Topic and partition.
using kafka_place = std::pair<std::string, std::int32_t>;

/// librdkafka's consumer of single partitions, without a group: who reads what is decided here.
/// For one thread.
class kafka_consumer {
 public:
  /// bad_option where librdkafka refuses an option; waits for nobody.
  static result<std::unique_ptr<kafka_consumer>> make(const kafka_options& options,
                                                      kafka_metrics& metrics);
  ~kafka_consumer();
  kafka_consumer(const kafka_consumer&) = delete;
  kafka_consumer& operator=(const kafka_consumer&) = delete;

  /// The partitions that a topic has now; unavailable where no broker says so within `limit`.
  result<std::vector<std::int32_t>> partitions_of(const std::string& of_topic,
                                                  std::chrono::milliseconds limit);
  /// First offset that is kept, and the one after the last.
  struct stretch {
    std::int64_t first = 0, end = 0;
  };
  result<stretch> stretch_of(const kafka_place& place, std::chrono::milliseconds limit);

  /// Begins to fetch a partition from `offset` on.
  status begin(const kafka_place& place, std::int64_t offset);
  void stop(const kafka_place& place);
  [[nodiscard]] bool reads(const kafka_place& place) const { return reading_.contains(place); }
  /// All that it reads.
  [[nodiscard]] std::vector<kafka_place> places() const;

  /// What came, waited for up to `limit`: `see` is called for each message. What is wrong with a
  /// partition goes to `lost`, true where its offset is not there (any more).
  struct receiver {
    std::function<void(const kafka_message&)> see;
    std::function<void(const kafka_place&, bool is_gone, const std::string& why)> failed;
  };
  /// At most so many messages.
  void poll(std::size_t most, std::chrono::milliseconds limit, const receiver& to);

  /// The offset after a partition's last message as of the last fetch; nothing before there was
  /// one.
  [[nodiscard]] std::optional<std::int64_t> end_of(const kafka_place& place) const;

 private:
  struct closer {
    void operator()(rd_kafka_t* rk) const { rd_kafka_destroy(rk); }
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  };
  kafka_consumer() = default;
  result<std::int64_t> offset_at(const kafka_place& place, std::int64_t which,
                                 std::chrono::milliseconds limit);
  /// Null where librdkafka does not take the name.
  rd_kafka_topic_t* topic(const std::string& name);

  std::unique_ptr<rd_kafka_t, closer> rk_;
  std::unique_ptr<rd_kafka_queue_t, closer> queue_;
  std::map<std::string, std::unique_ptr<rd_kafka_topic_t, closer>> topics_;
  std::map<kafka_place, bool> reading_;
  std::vector<rd_kafka_message_t*> came_;
};

}  // namespace tally::api
