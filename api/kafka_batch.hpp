#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/submission.hpp"
#include "api/ingest_types.hpp"

namespace tally::api {

/// One message of a topic. Its texts are not owned.
struct kafka_message {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  client_time at;          // as the broker tells it; form none: it does not
  std::string_view value;  // native events as in the body of POST /v1/events; empty: none
};

/// Messages that go to the engine together.
///
/// Who they are is made of where they stand: an event without an id gets one of topic, partition,
/// offset and time of its message, an event without a time has that of its message. So a message
/// that is read again gives the same (id, time) and counts once, and one of a topic that was made
/// anew is another.
class kafka_batch {
 public:
  kafka_batch(const ingest_limits& limits, event_time now) : limits_{limits}, now_{now} {}

  /// Takes the events of a message in, for a merchant. What cannot be read is refused: it stands
  /// in the merchant's ledger with the place of its message.
  void add(const kafka_message& message, const std::string& merchant);

  [[nodiscard]] std::size_t messages() const { return messages_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }  // of messages
  [[nodiscard]] std::size_t refused() const { return refused_; }
  /// What follows the last message, by topic and partition.
  using places = std::map<std::pair<std::string, std::int32_t>, std::int64_t>;
  [[nodiscard]] const places& next() const { return next_; }

  /// All events as a new submission, without `on_done`; they stay here for another attempt.
  /// Without events where there are none.
  [[nodiscard]] actors::submission_ptr make_submission() const;

 private:
  void take(const parsed_batch& parsed);
  void refuse(const kafka_message& message, const std::string& merchant,
              std::vector<rejected_event> rejected, std::string_view key);

  ingest_limits limits_;
  event_time now_;
  actors::submission made_;  // the model of every submission
  std::size_t messages_ = 0, bytes_ = 0, refused_ = 0;
  places next_;
};

}  // namespace tally::api
