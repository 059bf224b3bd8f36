#include "api/live_text.hpp"

#include "api/json_text.hpp"
#include "domain/query.hpp"

namespace tally::api {
namespace {

/// An empty label is one that is not known.
void append_label(std::string& out, std::string_view name, const std::string& label) {
  out.append("\"").append(name).append("\":");
  if (label.empty())
    out += "null";
  else
    append_json_text(out, label);
}

void append_lines(std::string& out, std::string_view list, std::string_view name,
                  const std::vector<live_numbers::line>& lines) {
  out.append(",\"").append(list).append("\":[");
  for (const auto& line : lines) {
    if (&line != &lines.front()) out += ',';
    out += '{';
    append_label(out, name, line.label);
    out += ",\"visitors\":" + std::to_string(line.visitors) +
           ",\"pageviews\":" + std::to_string(line.pageviews) + '}';
  }
  out += ']';
}

void append_time(std::string& out, std::string_view name, event_time at) {
  out.append("\"").append(name).append("\":\"").append(format_rfc3339(at)).append("\"");
}

}  // namespace

std::string live_json(std::string_view merchant, const actors::live_snapshot& now) {
  const auto& n = now.numbers;
  std::string out = "{\"merchant\":";
  append_json_text(out, merchant);
  out += ",\"visitors_now\":" + std::to_string(n.visitors) +
         ",\"pageviews_5m\":" + std::to_string(n.pageviews);
  append_lines(out, "by_page", "page", n.pages);
  append_lines(out, "by_country", "country", n.countries);
  append_lines(out, "by_source", "source", n.sources);
  out += ",\"last_events\":[";
  for (const auto& e : n.last) {
    if (&e != &n.last.front()) out += ',';
    out += "{\"name\":";
    append_json_text(out, e.name);
    out += ',';
    append_label(out, "page", e.page);
    out += ',';
    append_label(out, "country", e.country);
    out += ',';
    append_time(out, "at", e.at);
    out += '}';
  }
  out += "],";
  append_time(out, "as_of", now.as_of);
  out += ',';
  append_time(out, "since", now.since);
  out.append(",\"complete\":").append(now.complete ? "true" : "false");
  out += ",\"offset\":" + std::to_string(now.offset) + '}';
  return out;
}

std::string live_sse(std::uint64_t offset, std::string_view json) {
  return "id: " + std::to_string(offset) + "\ndata: " + std::string{json} + "\n\n";
}

}  // namespace tally::api
