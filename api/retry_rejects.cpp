#include "api/retry_rejects.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

#include "api/ingest_native.hpp"
#include "domain/event.hpp"
#include "domain/shard.hpp"

namespace tally::api {
namespace {

using nlohmann::json;

/// Parses one kept text again and adds it to the submission; false where it is refused again.
bool add_again(const json& kept, const std::string& merchant, actors::submission& to) {
  auto body = kept.value("raw", std::string{});
  const auto id = "retry:" + merchant + ":" + std::to_string(kept.value("offset", 0ull));
  ingest_context context;
  context.merchant = merchant;
  context.now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  context.idempotency_key = id;
  const auto parsed = parse_native(body, context);
  const auto* batch = std::get_if<parsed_batch>(&parsed);
  if (batch == nullptr || batch->events.empty()) return false;
  for (const auto& p : batch->events) {
    actors::submission::entry entry;
    entry.begin = static_cast<std::uint32_t>(to.bytes.size()) + p.begin;
    entry.size = p.size;
    entry.merchant = p.merchant_hash;
    to.events.push_back(entry);
  }
  to.bytes += batch->bytes;
  return true;
}

std::string summary(const std::string& merchant, const actors::submission& events,
                    std::uint64_t refused) {
  std::uint64_t accepted = 0, duplicate = 0, pending = 0, unavailable = 0;
  for (const auto& e : events.events) {
    const auto what = e.now();
    if (what == actors::outcome::accepted) ++accepted;
    if (what == actors::outcome::duplicate) ++duplicate;
    if (what == actors::outcome::rejected) ++refused;
    if (what == actors::outcome::pending) ++pending;
    if (what == actors::outcome::unavailable || what == actors::outcome::over_quota) ++unavailable;
  }
  return json{{"merchant", merchant}, {"accepted", accepted}, {"duplicate", duplicate},
              {"pending", pending},   {"rejected", refused},  {"unavailable", unavailable}}
      .dump();
}

}  // namespace

void retry_rejects(actors::engine& engine, const std::string& merchant,
                   actors::callback<std::string> then) {
  if (!is_merchant_id(merchant))
    return then(failure{errc::bad_request, "usage: rejects retry MERCHANT"});
  engine.command({"rejects", "list", merchant}, [&engine, merchant, then = std::move(then)](
                                                    result<std::string> listed) {
    if (!listed) return then(listed.error());
    auto events = std::make_shared<actors::submission>();
    std::uint64_t refused = 0;
    const auto answer = json::parse(*listed);
    for (const auto& kept : answer["rejects"])
      if (!add_again(kept, merchant, *events)) ++refused;
    auto* const done = events.get();  // its own last act: it lives until on_done has returned
    events->on_done = [done, merchant, refused, then] { then(summary(merchant, *done, refused)); };
    engine.submit(std::move(events));
  });
}

}  // namespace tally::api
