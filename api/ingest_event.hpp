#pragma once

#include <string>
#include <string_view>

#include "api/ingest_fields.hpp"
#include "api/ingest_props.hpp"
#include "api/ingest_types.hpp"
#include "domain/event.hpp"

namespace tally::api {

/// Memory that one thread uses for one event after another. The event's texts point into it.
struct event_scratch {
  json_tree tree;
  event e;
  field_list extras;  // unknown fields, for e.extra
  field_list rest;    // those properties that go to e.props
  std::string props, extra, id, network, upper;
  std::string refused_id;     // of an event that was refused: see rejected_event::id
  std::string refused_text;   // what is kept of it; empty: the event as it came
  bool is_private = false;    // the visitor asked not to be followed, and the merchant honours it
  std::string_view timezone;  // of the visitor: tells the country where nothing else does

  void clear();
};

/// Appends to a batch: what every protocol does with an event that was read or refused.
class batch_builder {
 public:
  explicit batch_builder(const ingest_context& context);

  /// Adds what the gateway knows of the visitor (api/visitor_facts.hpp) and encodes the event,
  /// whose merchant is known.
  void accept(event_scratch& scratch);
  /// `sent` is the text of the event in the body; `id` as in rejected_event.
  void reject(refusal&& why, std::string_view merchant, std::string_view sent, std::string id = {});

  [[nodiscard]] std::uint32_t next_index() const { return batch_.count; }
  [[nodiscard]] parsed_batch take() { return std::move(batch_); }
  void reserve(std::size_t body_bytes) { batch_.bytes.reserve(body_bytes); }

 private:
  const ingest_context& context_;
  std::uint64_t merchant_hash_ = 0;  // of the key's merchant
  parsed_batch batch_;
};

/// Gives an event without id one: `order:` and the order's id for a purchase without timestamp,
/// else a hash of the Idempotency-Key and index, else a minted one. `text` holds it.
void assign_id(event& e, const ingest_context& context, std::uint32_t index, std::string& text);

/// Checks that a timestamp is at most ahead_max ahead of now (`at_in_future`), and not before
/// at_oldest (`at_too_old`): one event of the year 1 would give every answer over all time more
/// buckets than an answer may have.
bool check_at(event_time at, std::string_view path, const ingest_context& context, refusal& why);

/// An event's name: text of 1 to name_bytes_max bytes without control characters; `bad_type`,
/// `bad_name`.
bool check_name(const json_node& value, std::string_view path, const ingest_limits& limits,
                refusal& why);

/// The merchant that a platform key's event names, into `merchant`; `bad_merchant`.
bool read_merchant_name(const json_node* value, std::string_view& merchant, refusal& why);

/// False with `too_large` where the event's text has more than event_bytes_max bytes.
bool check_size(const json_node& event_node, const ingest_limits& limits, refusal& why);

/// An object of free fields as a MessagePack map, with the limits of props; `bad_props`,
/// `too_deep`, `bad_type`.
bool check_props(const json_node& value, std::string_view path, const ingest_limits& limits,
                 refusal& why);

/// Class of an address: the /24 of IPv4, the /48 of IPv6, such as "203.0.113.0/24". Empty where
/// the text is no address.
[[nodiscard]] std::string network_of(std::string_view address);

}  // namespace tally::api
