#include "api/import_sender.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

namespace tally::api {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds first_wait{200}, longest_wait{10'000}, stop_check{100};

std::string body_of(const std::vector<imported_event>& batch) {
  std::string body;
  for (const auto& e : batch) {
    body += e.json;
    body += '\n';
  }
  return body;
}

/// What a problem document or another body says in one line.
std::string reason_in(const http_reply& reply) {
  const auto document = json::parse(reply.body, nullptr, false);
  auto text = "the node answered " + std::to_string(reply.status);
  if (document.is_object()) {
    const auto detail = document.value("detail", document.value("title", std::string{}));
    if (!detail.empty()) text += ": " + detail;
  }
  return text;
}

}  // namespace

/// What the node made of one body.
struct import_sender::receipt {
  struct rejection {
    std::string code, detail;
  };
  bool retry = false;  // 429, 503 or no answer: all of it again
  milliseconds retry_after{0};
  std::string reason;
  std::uint64_t accepted = 0, duplicate = 0, pending = 0;
  std::unordered_map<std::size_t, rejection> rejected;
};

import_sender::import_sender(const import_options& options)
    : options_{options}, client_{options.http, options.request_timeout} {}

result<import_sender::receipt> import_sender::post(const std::string& body) {
  receipt out;
  const auto reply =
      client_.send({"POST", "/v1/events", options_.key, "application/x-ndjson", body});
  if (!reply) {
    out.retry = true;
    out.reason = reply.error().detail;
    return out;
  }
  if (reply->status == 429 || reply->status == 503) {
    out.retry = true;
    out.retry_after = reply->retry_after;
    out.reason = reason_in(*reply);
    return out;
  }
  if (reply->status == 401 || reply->status == 403) {
    return failure{errc::unauthorized, reason_in(*reply)};
  }
  if (reply->status != 200 && reply->status != 202) {
    return failure{errc::bad_request, reason_in(*reply)};
  }
  try {
    const auto document = json::parse(reply->body);
    out.accepted = document.value("accepted", std::uint64_t{0});
    out.duplicate = document.value("duplicate", std::uint64_t{0});
    out.pending = document.value("pending", std::uint64_t{0});
    for (const auto& one : document.value("rejected", json::array())) {
      out.rejected[one.at("index").get<std::size_t>()] = {one.value("code", "rejected"),
                                                          one.value("detail", "")};
      out.retry_after = std::max(out.retry_after, milliseconds{one.value("retry_after_ms", 0)});
    }
  } catch (const json::exception& error) {
    return failure{errc::bad_request,
                   std::string{"a receipt that cannot be read: "} + error.what()};
  }
  return out;
}

/// Counts a receipt and gives the events that are to be sent again.
std::vector<imported_event> import_sender::unsettled(
    std::vector<imported_event> batch, const receipt& got, import_summary& summary,
    const std::function<void(refused_line)>& refuse) {
  summary.accepted += got.accepted;
  summary.duplicate += got.duplicate;
  summary.pending += got.pending;
  std::vector<imported_event> again;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto rejection = got.rejected.find(i);
    if (rejection == got.rejected.end()) continue;
    if (rejection->second.code == "over_quota") {
      again.push_back(std::move(batch[i]));
    } else if (!batch[i].refused) {
      refuse({batch[i].line, rejection->second.code, rejection->second.detail,
              std::move(batch[i].json)});
    }
  }
  return again;
}

status import_sender::wait(milliseconds length, import_summary& summary) {
  if (waited_ > options_.patience) {
    return failure{errc::unavailable,
                   "the node took nothing for " + std::to_string(waited_.count() / 1000) + " s"};
  }
  for (auto left = length; left.count() > 0; left -= stop_check) {
    if (stopping()) {
      summary.stopped = true;
      return done{};
    }
    std::mutex none;
    std::unique_lock hold{none};
    std::condition_variable{}.wait_for(hold, std::min(left, stop_check));
  }
  waited_ += length;
  return done{};
}

status import_sender::send(std::vector<imported_event> batch, import_summary& summary,
                           const std::function<void(refused_line)>& refuse) {
  auto pause = first_wait;
  while (!batch.empty()) {
    const auto got = post(body_of(batch));
    if (!got) return got.error();
    if (got->retry) {
      if (options_.on_message) options_.on_message(got->reason + "; trying again");
    } else {
      waited_ = milliseconds{0};
      batch = unsettled(std::move(batch), *got, summary, refuse);
    }
    if (batch.empty()) break;
    auto waited = wait(std::max(pause, got->retry_after), summary);
    if (!waited || summary.stopped) return waited;
    pause = std::min(pause * 2, longest_wait);
  }
  return done{};
}

}  // namespace tally::api
