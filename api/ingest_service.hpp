#pragma once

#include <memory>
#include <vector>

#include "actors/engine.hpp"
#include "api/http_message.hpp"
#include "api/ingest_types.hpp"

namespace tally::api {

/// How a receipt is dressed.
enum class receipt_form : std::uint8_t { native, segment };

/// One request whose body was read: what the receipt will be made of.
struct ingest_request {
  parsed_batch batch;
  bool platform = false;
  receipt_form form = receipt_form::native;
  event_time received_at{};
  std::string key_merchant;  // of a write key
  executor_ref loop;
  respond answer;
};

/// Hands parsed events to the engine and turns what became of them into receipts. Small requests
/// of one turn of an event loop travel together. Runs on the requests' I/O loops; lives as long as
/// any request.
class ingest_service : public std::enable_shared_from_this<ingest_service> {
 public:
  ingest_service(actors::engine& engine, std::size_t loops);
  ~ingest_service();

  void take(ingest_request request);

 private:
  struct member;
  struct gathering;

  void add(gathering& into, ingest_request request);
  void flush(std::size_t loop);
  void send(std::unique_ptr<gathering> full);

  actors::engine& engine_;
  std::vector<std::unique_ptr<gathering>> open_;  // by loop
};

}  // namespace tally::api
