#include "api/rates_body.hpp"

#include "api/json_tree.hpp"
#include "domain/rates.hpp"

namespace tally::api {
namespace {

failure bad(const std::string& pointer, const std::string& what) {
  return {errc::bad_request, pointer + ": " + what};
}

/// A member that goes into a field of the CSV.
result<std::string_view> field_of(const json_node& one, std::string_view name, bool is_number,
                                  const std::string& pointer) {
  const auto* const found = find_field(&one, name);
  const auto path = pointer + "/" + std::string{name};
  if (found == nullptr) return bad(path, "is required");
  if (!found->is(json_kind::text) && !(is_number && found->is(json_kind::number)))
    return bad(path, is_number ? "must be a decimal number" : "must be text");
  const auto text = found->text;
  if (text.find_first_of(",\"\r\n") != std::string_view::npos || text.size() > 64)
    return bad(path, "is none");
  return text;
}

status add_rate(const json_node& one, const std::string& pointer, std::string& csv) {
  if (!one.is(json_kind::object)) return bad(pointer, "must be an object");
  for (auto [key, value] : json_fields(one))
    if (key != "date" && key != "currency" && key != "rate")
      return bad(pointer + "/" + std::string{key.substr(0, 64)}, "is no field of a rate");
  const auto date = field_of(one, "date", false, pointer),
             currency = field_of(one, "currency", false, pointer),
             value = field_of(one, "rate", true, pointer);
  for (const auto* field : {&date, &currency, &value})
    if (!*field) return field->error();
  if (!parse_rate_day(*date)) return bad(pointer + "/date", "is no date");
  if (!is_currency(*currency)) return bad(pointer + "/currency", "is not three capital letters");
  if (!parse_rate(*value))
    return bad(pointer + "/rate", "is no positive decimal number of at most 18 digits");
  csv.append(*date).append(1, ',').append(*currency).append(1, ',').append(*value).append(1, '\n');
  return done{};
}

result<rates_body> read_json(const json_node& root) {
  rates_body made;
  made.csv = "date,currency,rate\n";
  for (auto [key, value] : json_fields(root)) {
    if (key == "base") {
      if (!value.is(json_kind::text) || !is_currency(value.text))
        return bad("/base", "must be three capital letters");
      made.base = value.text;
    } else if (key != "rates") {
      return bad("/" + std::string{key.substr(0, 64)}, "is no field of this request");
    }
  }
  const auto* const rates = find_field(&root, "rates");
  if (rates == nullptr || !rates->is(json_kind::array) || rates->count == 0)
    return bad("/rates", "must be an array of rates");
  std::size_t i = 0;
  for (const auto& one : json_elements(*rates))
    if (auto fine = add_rate(one, "/rates/" + std::to_string(i++), made.csv); !fine)
      return fine.error();
  return made;
}

}  // namespace

result<rates_body> read_rates_body(std::string_view body) {
  const auto begin = body.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || body[begin] != '{')
    return rates_body{{}, std::string{body}};
  std::string text{body};
  text.reserve(text.size() + json_reader::padding);
  json_reader reader;
  json_tree tree;
  if (const auto fault = reader.read_object(text, tree))
    return bad("", "no JSON: " + describe(*fault, text));
  return read_json(tree.nodes.front());
}

}  // namespace tally::api
