#include "api/kafka_source.hpp"

/// What stands for the source where Tally is built without librdkafka.
namespace tally::api {

struct kafka_source::impl {};

result<std::unique_ptr<kafka_source>> kafka_source::start(actors::engine&, const kafka_options&,
                                                          kafka_metrics&) {
  return failure{errc::unsupported,
                 "kafka.brokers: this tally was built without Kafka; build it with "
                 "-DTALLY_KAFKA=ON"};
}

kafka_source::kafka_source(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
kafka_source::~kafka_source() = default;

}  // namespace tally::api
