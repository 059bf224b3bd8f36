#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/client_time.hpp"
#include "domain/time.hpp"

namespace tally::api {

class geo_database;

/// What a body and an event may hold. Bytes are those of the request, after decompression.
struct ingest_limits {
  std::size_t event_bytes_max = 262'144;
  std::uint32_t events_max = 10'000;
  std::uint32_t segment_events_max = 2'500;
  std::uint32_t props_max = 64;  // keys of props
  std::uint32_t depth_max = 8;   // levels of arrays and objects in one field
  std::chrono::milliseconds ahead_max = std::chrono::hours{1};
  event_time at_oldest{};              // 1970-01-01T00:00:00Z; before it: at_too_old
  std::size_t id_bytes_max = 100;      // longer: bad_id
  std::size_t name_bytes_max = 200;    // longer: bad_name
  std::size_t text_bytes_max = 500;    // visitor, user, session, texts of an order: too_long
  std::size_t url_bytes_max = 2'000;   // longer: too_long
  std::size_t hint_bytes_max = 2'000;  // referrer, title, language and the like are cut to this
  std::size_t agent_bytes_max = 512;   // user agents are cut to this
  std::size_t key_bytes_max = 200;     // name of a prop or unknown field: bad_props
  std::size_t raw_bytes_max = 4'096;   // of a refused event's text
};

/// Who sends, and when: all that the parser knows beside the body. Texts are not owned.
struct ingest_context {
  std::string_view merchant;  // whose events they are; empty: each names its own
  bool platform = false;      // what only a trusted sender may say is believed
  event_time now{};
  std::string_view address_network;  // class of the client's address, see address_facts
  std::string_view address_country;  // where it is, or empty
  geo_database* geo = nullptr;       // where addresses are; null: not known
  std::string_view agent;            // User-Agent header
  std::string_view idempotency_key;  // header, or empty
  bool opted_out = false;            // the request says Sec-GPC: 1 or DNT: 1
  bool is_private = false;           // and all its events are of a merchant that honours it
  std::string_view visitor_name;     // of events without visitor and user; empty: nobody
  client_time sent_at;               // of events without a time of their own; form none: now
  ingest_limits limits;
};

struct rejected_event {
  std::uint32_t index = 0;  // in the body, from 0
  std::string code, detail;
  std::string merchant;  // empty where unknown
  std::string raw;       // begin of what was sent
  std::string id;        // of an import, which may be run again; empty: none
};

struct parsed_event {
  std::uint32_t begin = 0, size = 0;  // in parsed_batch::bytes
  std::uint64_t merchant_hash = 0;
  std::uint32_t index = 0;  // in the body, from 0
};

/// What a body holds: every event of it is either encoded or rejected.
struct parsed_batch {
  std::string bytes;  // persistence::encode_event, one after another
  std::vector<parsed_event> events;
  std::vector<rejected_event> rejected;
  std::uint32_t count = 0;  // events and rejected ones
};

/// A body of which nothing can be used.
struct unreadable_body {
  int status = 400;  // 400 or 413
  std::string code, detail;
};

using ingest_result = std::variant<parsed_batch, unreadable_body>;

}  // namespace tally::api
