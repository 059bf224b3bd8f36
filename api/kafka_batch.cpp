#include "api/kafka_batch.hpp"

#include <variant>

#include "api/ids.hpp"
#include "api/ingest_native.hpp"
#include "api/refusals.hpp"

namespace tally::api {
namespace {

/// "orders/3@17", as operators name a message.
std::string place_of(const kafka_message& m) {
  return std::string{m.topic} + '/' + std::to_string(m.partition) + '@' + std::to_string(m.offset);
}

std::string key_of(const kafka_message& m) {
  return "kafka " + place_of(m) + ' ' + std::to_string(to_ms(m.at.at));
}

}  // namespace

void kafka_batch::add(const kafka_message& message, const std::string& merchant) {
  ++messages_;
  bytes_ += message.value.size();
  next_[{std::string{message.topic}, message.partition}] = message.offset + 1;
  if (message.value.empty()) return;  // it takes an older message of its key back
  const auto key = key_of(message);
  ingest_context context;
  context.merchant = merchant;
  context.platform = true;
  context.now = now_;
  context.idempotency_key = key;
  context.sent_at = message.at;
  context.limits = limits_;
  std::string body{message.value};
  auto parsed = parse_native(body, context);
  if (const auto* const bad = std::get_if<unreadable_body>(&parsed)) {
    rejected_event whole;
    whole.code = bad->code;
    whole.detail = bad->detail;
    whole.raw = message.value.substr(0, limits_.raw_bytes_max);
    return refuse(message, merchant, {whole}, key);
  }
  auto& batch = std::get<parsed_batch>(parsed);
  take(batch);
  if (!batch.rejected.empty()) refuse(message, merchant, std::move(batch.rejected), key);
}

void kafka_batch::take(const parsed_batch& parsed) {
  const auto base = static_cast<std::uint32_t>(made_.bytes.size());
  made_.bytes += parsed.bytes;
  for (const auto& e : parsed.events) {
    actors::submission::entry entry;
    entry.begin = base + e.begin;
    entry.size = e.size;
    entry.merchant = e.merchant_hash;
    made_.events.push_back(entry);
  }
}

void kafka_batch::refuse(const kafka_message& message, const std::string& merchant,
                         std::vector<rejected_event> rejected, std::string_view key) {
  for (auto& r : rejected) {
    r.merchant = merchant;
    r.detail.insert(0, place_of(message) + ": ");
    // Refused again where the message is read again, and counted once.
    r.id = repeatable_id("refused " + std::string{key}, r.index);
  }
  refused_ += rejected.size();
  add_refusals(made_, rejected, merchant, now_);
}

actors::submission_ptr kafka_batch::make_submission() const {
  auto copy = std::make_shared<actors::submission>();
  copy->bytes = made_.bytes;
  copy->events = made_.events;
  return copy;
}

}  // namespace tally::api
