#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace tally::testing {

/// Brokers that librdkafka plays within this process, and a producer to them.
class mock_kafka {
 public:
  mock_kafka() {
    auto* const conf = rd_kafka_conf_new();
    set(conf, "test.mock.num.brokers", "1");
    set(conf, "linger.ms", "1");
    std::array<char, 512> why{};
    producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size()));
    if (!producer_) throw std::runtime_error{why.data()};
    cluster_ = rd_kafka_handle_mock_cluster(producer_.get());
  }

  [[nodiscard]] std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  [[nodiscard]] rd_kafka_mock_cluster_t* cluster() const { return cluster_; }

  void make_topic(const std::string& name, int partitions) {
    check(rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1));
  }
  /// `at_ms` is the message's time, 0: now. Durable after flush().
  void produce(const std::string& topic, int partition, const std::string& value,
               std::int64_t at_ms = 0) {
    for (;;) {
      const auto code =
          rd_kafka_producev(producer_.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                            RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_TIMESTAMP(at_ms),
                            RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) return check(code);
      rd_kafka_poll(producer_.get(), 10);
    }
  }
  void flush() { check(rd_kafka_flush(producer_.get(), 60'000)); }

 private:
  struct closer {
    void operator()(rd_kafka_t* rk) const { rd_kafka_destroy(rk); }
  };
  static void check(rd_kafka_resp_err_t code) {
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error{rd_kafka_err2str(code)};
  }
  static void set(rd_kafka_conf_t* conf, const char* name, const char* value) {
    std::array<char, 512> why{};
    if (rd_kafka_conf_set(conf, name, value, why.data(), why.size()) != RD_KAFKA_CONF_OK)
      throw std::runtime_error{why.data()};
  }

  std::unique_ptr<rd_kafka_t, closer> producer_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;  // the producer's own
};

}  // namespace tally::testing
