#include "api/reply_table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "domain/csv.hpp"

namespace tally::api {

namespace {

using json = nlohmann::ordered_json;

std::string text_of(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const auto& one : value) out += (out.empty() ? "" : ", ") + text_of(one);
  return out;
}

bool is_rows(const json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const json& one) { return one.is_object(); });
}

void add_fields(const std::string& prefix, const json& object, text_table& to) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_object() && !value.empty()) {
      add_fields(prefix + name + ".", value, to);
    } else {
      to.rows.push_back({prefix + name, text_of(value)});
    }
  }
}

text_table rows_table(const json& list) {
  text_table table;
  for (const auto& row : list) {
    for (const auto& [name, _] : row.items()) {
      if (std::find(table.header.begin(), table.header.end(), name) == table.header.end()) {
        table.header.push_back(name);
      }
    }
  }
  for (const auto& row : list) {
    auto& cells = table.rows.emplace_back();
    for (const auto& name : table.header) {
      const auto found = row.find(name);
      cells.push_back(found == row.end() ? "" : text_of(*found));
    }
  }
  return table;
}

void add_steps(text_table& table, const std::vector<std::string>& labels, const json& steps) {
  for (const auto& step : steps) {
    auto cells = labels;
    for (const auto* name : {"label", "visitors", "conversion", "from_previous", "drop_off"})
      cells.push_back(text_of(step.at(name)));
    table.rows.push_back(std::move(cells));
  }
}

/// What `make` makes of an answer's results.
template <class F>
result<text_table> table_of_results(std::string_view json_text, F make) {
  try {
    const auto answer = json::parse(json_text);
    return make(answer.at("results"), answer.at("query"));
  } catch (const json::exception&) {
    return failure{errc::corrupt_record, "an answer in an unknown form"};
  }
}

}  // namespace

result<text_table> funnel_table(std::string_view json_text) {
  return table_of_results(json_text, [](const json& results, const json& query) {
    text_table table;
    for (const auto& dimension : query.at("dimensions")) table.header.push_back(text_of(dimension));
    const std::size_t labels = table.header.size();
    for (const auto* name : {"step", "visitors", "conversion", "from_previous", "drop_off"})
      table.header.emplace_back(name);
    if (labels == 0) add_steps(table, {}, results.at("steps"));
    for (const auto& row : results.at("rows"))
      add_steps(table, {text_of(row.at("dimensions").at(0))}, row.at("steps"));
    return table;
  });
}

result<text_table> journeys_table(std::string_view json_text) {
  return table_of_results(json_text, [](const json& results, const json& query) {
    text_table table;
    table.header = {"step", text_of(query.at("by")), "visitors", "share"};
    for (const auto& step : results.at("steps")) {
      const auto number = text_of(step.at("step"));
      for (const auto& value : step.at("values"))
        table.rows.push_back({number, text_of(value.at("value")), text_of(value.at("visitors")),
                              text_of(value.at("share"))});
      if (step.at("others") != 0)
        table.rows.push_back({number, "(others)", text_of(step.at("others")), ""});
      if (step.at("drop_off") != 0)
        table.rows.push_back({number, "(nothing more)", text_of(step.at("drop_off")), ""});
    }
    return table;
  });
}

result<text_table> retention_table(std::string_view json_text) {
  return table_of_results(json_text, [](const json& results, const json& query) {
    text_table table;
    table.header = {"cohort", "size"};
    std::size_t periods = 0;
    for (const auto& row : results) periods = std::max(periods, row.at("cells").size());
    for (std::size_t i = 0; i < periods; ++i)
      table.header.push_back(text_of(query.at("period")) + " " + std::to_string(i));
    for (const auto& row : results) {
      auto& cells = table.rows.emplace_back();
      cells = {text_of(row.at("cohort")), text_of(row.at("size"))};
      for (const auto& cell : row.at("cells")) cells.push_back(text_of(cell.at("people")));
    }
    return table;
  });
}

result<text_table> reply_table(std::string_view json_text) {
  const auto reply = json::parse(json_text, nullptr, false);
  if (!reply.is_object()) return failure{errc::corrupt_record, "the reply is no JSON object"};
  const json* list = nullptr;
  std::size_t lists = 0;
  for (const auto& [_, value] : reply.items()) {
    if (!is_rows(value)) continue;
    list = &value;
    ++lists;
  }
  if (lists == 1) return rows_table(*list);
  text_table table{{"name", "value"}, {}};
  add_fields("", reply, table);
  return table;
}

text_table csv_table(std::string_view csv_text) {
  csv_parser parser;
  parser.feed(csv_text);
  parser.finish();
  text_table table;
  csv_row row;
  while (parser.next(row)) {
    if (table.header.empty()) {
      table.header = row.fields;
    } else {
      table.rows.push_back(row.fields);
    }
  }
  return table;
}

text_table with_joined_labels(const text_table& table, std::size_t columns) {
  const auto joined = [columns](const std::vector<std::string>& row) {
    std::vector<std::string> out{""};
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i >= columns) {
        out.push_back(row[i]);
      } else {
        out[0] += (i == 0 ? "" : " · ") + row[i];
      }
    }
    return out;
  };
  text_table out{joined(table.header), {}};
  for (const auto& row : table.rows) out.rows.push_back(joined(row));
  return out;
}

}  // namespace tally::api
