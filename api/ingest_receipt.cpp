#include "api/ingest_receipt.hpp"

#include <algorithm>

#include "api/json_text.hpp"

namespace tally::api {
namespace {

void append_rest(std::string& out, const std::vector<rejected_event>& rejected,
                 std::string_view ack, std::uint32_t retry_after_ms) {
  std::vector<const rejected_event*> sorted;
  sorted.reserve(rejected.size());
  for (const auto& r : rejected) sorted.push_back(&r);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->index < b->index; });
  out += ",\"rejected\":[";
  for (const auto* r : sorted) {
    if (r != sorted.front()) out += ',';
    out += "{\"index\":" + std::to_string(r->index) + ",\"code\":";
    append_json_text(out, r->code);
    out += ",\"detail\":";
    append_json_text(out, r->detail);
    if (retry_after_ms != 0 && r->code == "over_quota") {
      out += ",\"retry_after_ms\":" + std::to_string(retry_after_ms);
    }
    out += '}';
  }
  out += "],\"ack\":";
  append_json_text(out, ack);
  out += '}';
}

}  // namespace

std::string receipt_json(std::uint64_t accepted, std::uint64_t duplicate,
                         const std::vector<rejected_event>& rejected, std::string_view ack,
                         std::uint32_t retry_after_ms) {
  std::string out =
      "{\"accepted\":" + std::to_string(accepted) + ",\"duplicate\":" + std::to_string(duplicate);
  append_rest(out, rejected, ack, retry_after_ms);
  return out;
}

std::string pending_json(std::uint64_t pending, const std::vector<rejected_event>& rejected,
                         std::string_view ack) {
  std::string out = "{\"pending\":" + std::to_string(pending);
  append_rest(out, rejected, ack, 0);
  return out;
}

}  // namespace tally::api
