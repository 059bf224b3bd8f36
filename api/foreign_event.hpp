#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/alias_book.hpp"
#include "api/http_message.hpp"
#include "api/ingest_event.hpp"
#include "api/json_tree.hpp"
#include "api/visitor_names.hpp"

namespace tally::api {

/// One request of a foreign protocol, as its adapter sees it. Not owned.
struct foreign_call {
  std::string_view path, query;
  std::string& body;         // capacity as parse_native wants it
  std::string_view address;  // of the client
  std::string_view key;      // in Authorization, ?key= or X-Write-Key, or empty
  std::string_view referer;  // header: the page that sent the request
  const ingest_context& context;
  alias_book& aliases;
  visitor_names& visitors;
};

/// What an adapter makes of a request: events and refused ones, and the answer that the client gets
/// once they are stored.
struct foreign_result {
  parsed_batch batch;
  http_response reply;
};

/// Memory that one thread uses for one request after another.
struct foreign_memory {
  json_reader json;
  event_scratch scratch;
  json_reader inner_json;  // of JSON inside JSON text
  json_tree inner[2];
  std::string inner_text[2];

  static foreign_memory& of_thread();
  /// The object that `value` is, or is the JSON text of; null where it is neither. `slot` 0 or 1:
  /// one value each at a time.
  const json_node* object_of(const json_node* value, unsigned slot);
};

/// Builds the events of one request, one after another, with what all foreign protocols share.
class foreign_events {
 public:
  foreign_events(const foreign_call& call, foreign_memory& memory)
      : call_{call}, memory_{memory}, scratch_{memory.scratch}, batch_{call.context} {}

  /// A new event of this merchant, with the time, agent and network of the request.
  event& begin(const std::string& merchant);
  /// Takes the event, or refuses it, and says which. `sent` is its text in the body.
  bool finish(std::string_view sent, refusal& why);
  void reject(refusal why, std::string_view sent);

  /// A name as the standard ones are called here: those of Segment, GA4 and plain words.
  bool set_name(std::string_view name, refusal& why);
  /// Names the visitor by address and agent.
  void name_visitor(std::string_view address);
  /// Keeps texts that must outlive the reader's own memory.
  std::string_view keep(std::string_view text) { return scratch_.tree.texts.keep(text); }
  void add_prop(std::string_view key, const json_node& value) {
    scratch_.rest.emplace_back(key, &value);
  }
  void add_extra(std::string_view key, const json_node& value) {
    scratch_.extras.emplace_back(key, &value);
  }
  /// Props but for those that `is_taken`; the limits of native props.
  template <class Taken>
  bool add_props(const json_node* object, std::string_view path, Taken is_taken, refusal& why);
  /// An order of one amount: the total of a sale, what a refund gives back. Nothing where the
  /// currency is none or the amount cannot be used.
  void set_revenue(const json_node* amount, std::string_view currency);
  [[nodiscard]] std::string_view capital_currency(std::string_view currency);

  [[nodiscard]] event& current() { return scratch_.e; }
  [[nodiscard]] const event& current() const { return scratch_.e; }
  [[nodiscard]] event_scratch& scratch() { return scratch_; }
  [[nodiscard]] parsed_batch take() { return batch_.take(); }
  [[nodiscard]] std::uint32_t next_index() const { return batch_.next_index(); }

 private:
  const foreign_call& call_;
  foreign_memory& memory_;
  event_scratch& scratch_;
  batch_builder batch_;
};

template <class Taken>
bool foreign_events::add_props(const json_node* object, std::string_view path, Taken is_taken,
                               refusal& why) {
  if (object == nullptr || object->is(json_kind::null)) return true;
  if (!check_props(*object, path, call_.context.limits, why)) return false;
  for (const auto& [key, value] : json_fields(*object))
    if (!is_taken(key)) add_prop(key, value);
  return true;
}

/// Text or an integer of that field, cut; empty where it is anything else.
[[nodiscard]] std::string_view soft_text(const json_node* object, std::string_view key,
                                         std::size_t bytes_max);
/// An integer of that field, as a number or as text.
[[nodiscard]] std::optional<std::int64_t> soft_integer(const json_node* object,
                                                       std::string_view key);
[[nodiscard]] bool is_blank_body(std::string_view body);

/// Reads "a=1&b=2" as an object of texts into `tree`, decoded, bytes that are no UTF-8 as U+FFFD;
/// at most 256 fields. The first node is the object.
void read_form(std::string_view form, json_tree& tree);

/// Host of a URL, in small letters and without "www.": empty where it has none.
[[nodiscard]] std::string host_of(std::string_view url);
/// A UUID made of a text, the same for the same text.
[[nodiscard]] std::string uuid_of(std::string_view text);

[[nodiscard]] http_response plain_reply(unsigned status, std::string type, std::string body);

}  // namespace tally::api
