#include "api/kafka/consumer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace tally::api {
namespace {

constexpr std::size_t error_bytes = 512;

int milliseconds_of(std::chrono::milliseconds length) {
  return static_cast<int>(length.count());
}

failure failed(rd_kafka_resp_err_t code, const std::string& what) {
  return {errc::unavailable, what + ": " + rd_kafka_err2str(code)};
}

/// The brokers' troubles pass; librdkafka tries again by itself.
void log_line(const rd_kafka_t*, int, const char* facility, const char* text) {
  spdlog::debug("kafka_client facility={} text=\"{}\"", facility, text);
}

void note_error(rd_kafka_t*, int code, const char* reason, void* metrics) {
  static_cast<kafka_metrics*>(metrics)->errors += 1;
  spdlog::warn("kafka_error code={} reason=\"{}\"",
               rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code)), reason);
}

using conf = std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)>;

status set(const conf& to, const std::string& name, const std::string& value) {
  std::array<char, error_bytes> why{};
  if (rd_kafka_conf_set(to.get(), name.c_str(), value.c_str(), why.data(), why.size()) ==
      RD_KAFKA_CONF_OK)
    return done{};
  return failure{errc::bad_option, "kafka: " + std::string{why.data()}};
}

/// Limits by bytes, and what this consumer relies on: the latter stands last.
std::vector<std::pair<std::string, std::string>> options_of(const kafka_options& from) {
  const auto kib = std::to_string(std::max<std::size_t>(1, from.queue_bytes_max >> 10));
  std::vector<std::pair<std::string, std::string>> all{{"client.id", "tally"},
                                                       {"queued.max.messages.kbytes", kib},
                                                       {"queued.min.messages", "1000"},
                                                       {"fetch.wait.max.ms", "100"},
                                                       {"fetch.error.backoff.ms", "100"}};
  all.insert(all.end(), from.client.begin(), from.client.end());
  all.insert(all.end(), {{"bootstrap.servers", from.brokers},
                         {"enable.partition.eof", "false"},
                         {"auto.offset.reset", "error"},
                         {"enable.auto.commit", "false"},
                         {"enable.auto.offset.store", "false"},
                         {"allow.auto.create.topics", "false"}});
  return all;
}

}  // namespace

result<std::unique_ptr<kafka_consumer>> kafka_consumer::make(const kafka_options& options,
                                                             kafka_metrics& metrics) {
  conf made{rd_kafka_conf_new(), &rd_kafka_conf_destroy};
  for (const auto& [name, value] : options_of(options))
    if (auto fine = set(made, name, value); !fine) return fine.error();
  rd_kafka_conf_set_log_cb(made.get(), log_line);
  rd_kafka_conf_set_error_cb(made.get(), note_error);
  rd_kafka_conf_set_opaque(made.get(), &metrics);
  std::array<char, error_bytes> why{};
  std::unique_ptr<kafka_consumer> self{new kafka_consumer};
  self->rk_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, made.get(), why.data(), why.size()));
  if (!self->rk_) return failure{errc::bad_option, "kafka: " + std::string{why.data()}};
  static_cast<void>(made.release());  // is its own now
  self->queue_.reset(rd_kafka_queue_new(self->rk_.get()));
  return self;
}

kafka_consumer::~kafka_consumer() {
  for (const auto& place : places()) stop(place);
  topics_.clear();
  queue_.reset();
}

rd_kafka_topic_t* kafka_consumer::topic(const std::string& name) {
  auto& made = topics_[name];
  if (!made) made.reset(rd_kafka_topic_new(rk_.get(), name.c_str(), nullptr));
  return made.get();
}

result<std::vector<std::int32_t>> kafka_consumer::partitions_of(const std::string& of_topic,
                                                                std::chrono::milliseconds limit) {
  auto* const of = topic(of_topic);
  if (of == nullptr) return failure{errc::bad_option, "topic " + of_topic};
  const rd_kafka_metadata_t* told = nullptr;
  const auto code = rd_kafka_metadata(rk_.get(), 0, of, &told, milliseconds_of(limit));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "topic " + of_topic);
  const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> kept{
      told, &rd_kafka_metadata_destroy};
  if (told->topic_cnt != 1) return failure{errc::unavailable, "topic " + of_topic};
  const auto& one = told->topics[0];
  if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(one.err, "topic " + of_topic);
  std::vector<std::int32_t> all;
  all.reserve(static_cast<std::size_t>(one.partition_cnt));
  for (int i = 0; i < one.partition_cnt; ++i) all.push_back(one.partitions[i].id);
  return all;
}

/// By ListOffsets, one question at a time: rd_kafka_query_watermark_offsets() asks two and takes
/// one answer for an empty partition, also where the other one failed.
result<std::int64_t> kafka_consumer::offset_at(const kafka_place& place, std::int64_t which,
                                               std::chrono::milliseconds limit) {
  const std::unique_ptr<rd_kafka_topic_partition_list_t,
                        decltype(&rd_kafka_topic_partition_list_destroy)>
      asked{rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy};
  auto* const one =
      rd_kafka_topic_partition_list_add(asked.get(), place.first.c_str(), place.second);
  one->offset = which;
  const auto code = rd_kafka_offsets_for_times(rk_.get(), asked.get(), milliseconds_of(limit));
  const auto what = place.first + '/' + std::to_string(place.second);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, what);
  const auto& told = asked->elems[0];
  if (told.err != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(told.err, what);
  if (told.offset < 0) return failure{errc::unavailable, what + ": no offset was told"};
  return told.offset;
}

result<kafka_consumer::stretch> kafka_consumer::stretch_of(const kafka_place& place,
                                                           std::chrono::milliseconds limit) {
  const auto first = offset_at(place, RD_KAFKA_OFFSET_BEGINNING, limit);
  if (!first) return first.error();
  const auto end = offset_at(place, RD_KAFKA_OFFSET_END, limit);
  if (!end) return end.error();
  return stretch{*first, *end};
}

status kafka_consumer::begin(const kafka_place& place, std::int64_t offset) {
  auto* const of = topic(place.first);
  if (of == nullptr) return failure{errc::bad_option, "topic " + place.first};
  if (rd_kafka_consume_start_queue(of, place.second, offset, queue_.get()) != 0)
    return failed(rd_kafka_last_error(), place.first + '/' + std::to_string(place.second));
  reading_[place] = true;
  return done{};
}

void kafka_consumer::stop(const kafka_place& place) {
  if (reading_.erase(place) == 0) return;
  rd_kafka_consume_stop(topic(place.first), place.second);
}

std::vector<kafka_place> kafka_consumer::places() const {
  std::vector<kafka_place> all;
  for (const auto& [place, reading] : reading_) all.push_back(place);
  return all;
}

void kafka_consumer::poll(std::size_t most, std::chrono::milliseconds limit, const receiver& to) {
  rd_kafka_poll(rk_.get(), 0);  // calls note_error
  came_.resize(most);
  const auto count =
      rd_kafka_consume_batch_queue(queue_.get(), milliseconds_of(limit), came_.data(), most);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const std::unique_ptr<rd_kafka_message_t, decltype(&rd_kafka_message_destroy)> m{
        came_[static_cast<std::size_t>(i)], &rd_kafka_message_destroy};
    if (m->rkt == nullptr) continue;
    const auto* const name = rd_kafka_topic_name(m->rkt);
    const kafka_place place{name, m->partition};
    if (!reads(place)) continue;  // was stopped meanwhile
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const bool gone = m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                        m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
      to.failed(place, gone, rd_kafka_message_errstr(m.get()));
      continue;
    }
    kafka_message one;
    one.topic = name;
    one.partition = m->partition;
    one.offset = m->offset;
    rd_kafka_timestamp_type_t kind{};
    const auto ms = rd_kafka_message_timestamp(m.get(), &kind);
    if (kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms >= 0) one.at = client_time_from_ms(ms);
    one.value = {static_cast<const char*>(m->payload), m->payload == nullptr ? 0 : m->len};
    to.see(one);
  }
}

std::optional<std::int64_t> kafka_consumer::end_of(const kafka_place& place) const {
  std::int64_t first = 0, end = 0;
  const auto code =
      rd_kafka_get_watermark_offsets(rk_.get(), place.first.c_str(), place.second, &first, &end);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR || end < 0) return std::nullopt;
  return end;
}

}  // namespace tally::api
