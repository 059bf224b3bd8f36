#include "persistence/named_filter_store.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "persistence/filter_json.hpp"
#include "persistence/registry.hpp"

namespace tally::persistence {
namespace {

using nlohmann::json;

std::string prefix_of(std::string_view merchant, filter_use use) {
  return merchant_prefix(merchant) + (use == filter_use::goal ? 'g' : 'v');
}

void forget_places(event_filter& filter) {
  filter.pointer.clear();
  for (auto& part : filter.parts) forget_places(part);
}

result<event_filter> read_filter(std::string_view text) {
  const auto parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return failure{errc::bad_request, "filter: is not JSON"};
  auto all = read_filters(parsed, "filter");
  if (!all) return all.error();
  if (all->empty()) return failure{errc::bad_request, "filter: needs at least one filter"};
  event_filter made;
  made.op = filter_op::all_of;
  made.parts = std::move(*all);
  forget_places(made);
  return made;
}

result<filter_record> parse(std::string_view merchant, filter_use use, std::string_view value) {
  const failure corrupt{errc::corrupt_record, "the record of a goal or segment"};
  const auto j = json::parse(value, nullptr, false);
  if (!j.is_object()) return corrupt;
  try {
    return filter_record{use, std::string{merchant}, j.at("name").get<std::string>(),
                         j.at("filter").dump(), j.value("created_ms", std::int64_t{0})};
  } catch (const json::exception&) {
    return corrupt;
  }
}

result<std::vector<named_filter>> read_all(const journal& log, std::string_view merchant,
                                           filter_use use) {
  const auto records = list_filters(log, merchant, use);
  if (!records) return records.error();
  std::vector<named_filter> all;
  for (const auto& r : *records) {
    auto filter = read_filter(r.filter);
    if (!filter) return failure{errc::corrupt_record, r.name + ": " + filter.error().detail};
    all.push_back({r.name, std::move(*filter)});
  }
  return all;
}

/// A path with `*` for anything but a slash and `**` for anything, as a regular expression.
std::string expression_of(std::string_view path) {
  std::string expression = "^";
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path.substr(i, 2) == "**") {
      expression += ".*";
      ++i;
    } else if (path[i] == '*') {
      expression += "[^/]*";
    } else {
      if (std::string_view{"\\^$.|?+()[]{}"}.find(path[i]) != std::string_view::npos)
        expression += '\\';
      expression += path[i];
    }
  }
  return expression + "$";
}

bool is_utf8(const std::string& text) {
  try {
    return !json(text).dump().empty();
  } catch (const json::exception&) {
    return false;
  }
}

/// What a command wrote is UTF-8 or not; what is not is no text of an event either.
std::string text_of(const json& filter) {
  return filter.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string filter_of_event(const std::string& name) {
  return text_of({"is", "event:name", json::array({name})});
}

std::string filter_of_page(const std::string& path) {
  auto made = json::array();
  made.push_back({"is", "event:name", json::array({"page_view"})});
  if (path.find('*') == std::string::npos)
    made.push_back({"is", "event:page", json::array({path})});
  else
    made.push_back({"matches", "event:page", json::array({expression_of(path)})});
  return text_of(made);
}

result<filter_record> make_filter_record(filter_record wanted) {
  auto filter = read_filter(wanted.filter);
  if (!filter) return filter.error();
  if (!is_utf8(wanted.name)) return failure{errc::bad_request, "name: is no UTF-8 text"};
  if (auto fine = check_named_filter({wanted.name, std::move(*filter)}, wanted.use); !fine)
    return fine.error();
  wanted.filter = json::parse(wanted.filter).dump();
  return wanted;
}

record to_record(const filter_record& f) {
  const json value{
      {"name", f.name}, {"filter", json::parse(f.filter)}, {"created_ms", f.created_ms}};
  return {prefix_of(f.merchant, f.use) + f.name, value.dump()};
}

record removal_of(const filter_record& f) {
  return {prefix_of(f.merchant, f.use) + f.name, {}};
}

result<std::vector<filter_record>> list_filters(const journal& log, std::string_view merchant,
                                                filter_use use) {
  const auto records = log.list_merchants(prefix_of(merchant, use), {}, named_filters_max);
  if (!records) return records.error();
  std::vector<filter_record> all;
  for (const auto& r : *records) {
    auto one = parse(merchant, use, r.value);
    if (!one) return one.error();
    all.push_back(std::move(*one));
  }
  return all;
}

result<named_filters> read_named_filters(const journal& log, std::string_view merchant) {
  auto goals = read_all(log, merchant, filter_use::goal);
  if (!goals) return goals.error();
  auto segments = read_all(log, merchant, filter_use::segment);
  if (!segments) return segments.error();
  return named_filters{std::move(*goals), std::move(*segments)};
}

}  // namespace tally::persistence
