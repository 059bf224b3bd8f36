#include "persistence/filter_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "domain/question_failure.hpp"

namespace tally::persistence {
namespace {

using nlohmann::json;

using question_failure::at_index;
using question_failure::bad;

class filter_reader {
 public:
  result<std::vector<event_filter>> read_all(const json& filters, const std::string& pointer,
                                             std::size_t depth) {
    std::vector<event_filter> all;
    if (!filters.is_array()) return bad(pointer, "must be an array of filters");
    if (filters.size() > filter_parts_max)
      return bad(pointer, "more than " + std::to_string(filter_parts_max) + " filters");
    for (std::size_t i = 0; i < filters.size(); ++i) {
      auto one = read(filters[i], at_index(pointer, i), depth);
      if (!one) return one.error();
      all.push_back(std::move(*one));
    }
    return all;
  }

  result<event_filter> read(const json& filter, const std::string& pointer, std::size_t depth) {
    if (!filter.is_array() || filter.empty() || !filter[0].is_string())
      return bad(pointer, "must be an array that begins with an operator");
    if (depth > filter_depth_max)
      return bad(pointer,
                 "filters are nested more than " + std::to_string(filter_depth_max) + " deep");
    if (++filters_ > filter_parts_max)
      return bad(pointer, "more than " + std::to_string(filter_parts_max) + " filters");
    const auto& name = filter[0].get_ref<const std::string&>();
    const auto op = find_filter_op(name);
    if (!op) return bad(at_index(pointer, 0), "there is no operator '" + name.substr(0, 64) + "'");
    if (is_comparison(*op)) return read_comparison(filter, *op, pointer);
    if (filter.size() != 2) return bad(pointer, "'" + name + "' takes one thing");
    event_filter made;
    made.op = *op;
    made.pointer = pointer;
    if (*op == filter_op::none_of || is_behaviour(*op)) {
      auto part = read(filter[1], at_index(pointer, 1), depth + 1);
      if (!part) return part.error();
      made.parts.push_back(std::move(*part));
      return made;
    }
    auto parts = read_all(filter[1], at_index(pointer, 1), depth + 1);
    if (!parts) return parts.error();
    if (parts->empty()) return bad(at_index(pointer, 1), "needs at least one filter");
    made.parts = std::move(*parts);
    return made;
  }

 private:
  static result<event_filter> read_comparison(const json& filter, filter_op op,
                                              const std::string& pointer) {
    event_filter made;
    made.op = op;
    made.pointer = pointer;
    if (filter.size() < 3 || filter.size() > 4)
      return bad(pointer, "needs an operator, a dimension and an array of values");
    if (!filter[1].is_string()) return bad(at_index(pointer, 1), "must be a text");
    made.field = filter[1].get<std::string>();
    if (auto read = read_values(filter[2], made, at_index(pointer, 2)); !read) return read.error();
    if (filter.size() == 4)
      if (auto read = read_modifiers(filter[3], made, at_index(pointer, 3)); !read)
        return read.error();
    if (auto compiled = compile(made); !compiled)
      return bad(at_index(pointer, 2), compiled.error().detail);
    return made;
  }

  static status read_values(const json& values, event_filter& into, const std::string& pointer) {
    if (!values.is_array() || values.empty()) return bad(pointer, "needs an array of values");
    if (values.size() > filter_values_max)
      return bad(pointer, "more than " + std::to_string(filter_values_max) + " values");
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].is_string() ||
          values[i].get_ref<const std::string&>().size() > filter_value_bytes_max)
        return bad(at_index(pointer, i), "must be a text of at most " +
                                             std::to_string(filter_value_bytes_max) + " bytes");
      into.values.push_back(values[i].get<std::string>());
    }
    return done{};
  }

  static status read_modifiers(const json& modifiers, event_filter& into,
                               const std::string& pointer) {
    if (!modifiers.is_object()) return bad(pointer, "must be an object");
    for (const auto& member : modifiers.items()) {
      if (member.key() != "case_sensitive" || !member.value().is_boolean())
        return bad(pointer, "only case_sensitive, true or false, may stand here");
      into.case_sensitive = member.value().get<bool>();
    }
    return done{};
  }

  std::size_t filters_ = 0;  // read so far, on all levels
};

bool asks_for_names_only(const event_filter& filter) {
  if (filter.op == filter_op::all_of)
    return filter.parts.size() == 1 && asks_for_names_only(filter.parts[0]);
  return filter.op == filter_op::is && filter.field == "event:name" && filter.case_sensitive;
}

}  // namespace

result<std::vector<event_filter>> read_filters(const json& filters, const std::string& pointer) {
  filter_reader reader;
  // A question may hold one filter where a list of them is expected.
  if (filters.is_array() && !filters.empty() && filters[0].is_string()) {
    auto one = reader.read(filters, pointer, 1);
    if (!one) return one.error();
    return std::vector<event_filter>{std::move(*one)};
  }
  return reader.read_all(filters, pointer, 1);
}

std::vector<std::string> names_asked(const std::vector<event_filter>& filters) {
  if (filters.size() != 1 || !asks_for_names_only(filters[0])) return {};
  const auto* filter = &filters[0];
  while (filter->op == filter_op::all_of) filter = &filter->parts[0];
  auto names = filter->values;
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace tally::persistence
