#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "api/import_lines.hpp"
#include "api/import_reader.hpp"
#include "api/json_text.hpp"
#include "domain/client_time.hpp"
#include "domain/csv.hpp"
#include "domain/local_time.hpp"
#include "domain/money.hpp"

namespace tally::api {

namespace {

constexpr std::array<std::string_view, 8> plain_fields{"session",  "url",    "referrer", "title",
                                                       "language", "device", "browser",  "os"};
constexpr std::array<std::string_view, 6> amount_fields{"discount", "tax",      "shipping",
                                                        "total",    "subtotal", "amount"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> item_texts{
    {{"item.id", "id"},
     {"item.sku", "sku"},
     {"item.name", "name"},
     {"item.category", "category"},
     {"item.brand", "brand"},
     {"item.variant", "variant"}}};

/// An event in the making: one row, or several of a group.
struct draft {
  std::string id, name;
  std::string facts;  // JSON fields of the first row
  std::string order;  // JSON fields of its order, without items
  std::string items;  // JSON objects
  event_time at{};
  std::uint64_t line = 0, row = 0;
};

/// Why a row is refused.
struct row_fault {
  std::string code, detail;
};

class csv_reader : public import_reader {
 public:
  csv_reader(std::string merchant, import_mapping mapping)
      : merchant_{std::move(merchant)}, mapping_{std::move(mapping)}, parser_{mapping_.separator} {}

  void feed(std::string_view bytes, const import_sink& sink) override {
    parser_.feed(bytes);
    while (parser_.next(row_)) take_row(sink);
  }
  void finish(const import_sink& sink) override {
    parser_.finish();
    while (parser_.next(row_)) take_row(sink);
    while (!open_.empty()) emit_oldest(sink);
  }
  [[nodiscard]] std::vector<line_count> last_lines() const override { return ids_.last(); }
  void remember(const std::vector<line_count>& lines) override { ids_.remember(lines); }

 private:
  void take_row(const import_sink& sink);
  std::optional<row_fault> read_header();
  std::optional<row_fault> add_row(const import_sink& sink);
  std::optional<row_fault> add_item(draft& to, const import_mapping::rule* rule) const;
  std::optional<row_fault> read_time(event_time& at) const;
  void start(draft& d, const import_mapping::rule* rule);
  void add_order(draft& d) const;
  void emit(const draft& d, const import_sink& sink) const;
  void emit_oldest(const import_sink& sink);
  [[nodiscard]] const import_mapping::rule* rule_of_row() const;
  [[nodiscard]] const std::string& cell(const std::string& column) const;
  [[nodiscard]] const std::string& field(std::string_view name) const;

  std::string merchant_;
  import_mapping mapping_;
  csv_parser parser_;
  csv_row row_;
  std::unordered_map<std::string, std::size_t> columns_;  // by name
  std::uint64_t row_number_ = 0;
  bool unusable_ = false;  // the header lacks a column
  line_ids ids_;
  std::unordered_map<std::string, draft> groups_;
  std::deque<std::string> open_;  // keys of groups_, oldest first
  std::unordered_set<std::uint64_t> closed_;
};

const std::string& csv_reader::cell(const std::string& column) const {
  static const std::string none;
  const auto found = columns_.find(column);
  return found == columns_.end() ? none : row_.fields[found->second];
}

const std::string& csv_reader::field(std::string_view name) const {
  static const std::string none;
  const auto found = mapping_.columns.find(name);
  return found == mapping_.columns.end() ? none : cell(found->second);
}

std::optional<row_fault> csv_reader::read_header() {
  for (std::size_t i = 0; i < row_.fields.size(); ++i) {
    if (columns_.emplace(row_.fields[i], i).second) continue;
    unusable_ = true;
    return row_fault{"bad_header", "two columns " + row_.fields[i]};
  }
  std::vector<std::string> needed;
  for (const auto& [_, column] : mapping_.columns) needed.push_back(column);
  for (const auto& [_, column] : mapping_.props) needed.push_back(column);
  for (const auto& rule : mapping_.rules) needed.push_back(rule.column);
  needed.push_back(mapping_.group_by);
  for (const auto& column : needed) {
    if (!column.empty() && !columns_.contains(column)) {
      unusable_ = true;
      return row_fault{"bad_header", "no column " + column};
    }
  }
  return std::nullopt;
}

void csv_reader::take_row(const import_sink& sink) {
  if (unusable_) return;
  std::optional<row_fault> fault;
  if (row_.fault != csv_fault::none) {
    fault = row_fault{std::string{to_string(row_.fault)}, {}};
  } else if (columns_.empty()) {
    fault = read_header();
  } else if (row_.fields.size() != columns_.size()) {
    fault = row_fault{"bad_columns", std::to_string(row_.fields.size()) + " instead of " +
                                         std::to_string(columns_.size())};
  } else {
    ++row_number_;
    fault = add_row(sink);
  }
  if (fault) sink.refuse({row_.line, fault->code, fault->detail, row_.text});
  while (!open_.empty() &&
         groups_.at(open_.front()).row + mapping_.group_window_rows < row_number_) {
    emit_oldest(sink);
  }
}

const import_mapping::rule* csv_reader::rule_of_row() const {
  for (const auto& rule : mapping_.rules) {
    if (rule.column.empty() || cell(rule.column).starts_with(rule.starts_with)) return &rule;
  }
  return nullptr;
}

std::optional<row_fault> csv_reader::read_time(event_time& at) const {
  const auto& text = field("time");
  if (mapping_.time_pattern.empty()) {
    const auto sent = parse_client_time(text);
    if (!sent) return row_fault{"bad_time", text};
    at = sent->at;
    return std::nullopt;
  }
  const auto shown = parse_wall_time(text, mapping_.time_pattern);
  if (!shown) return row_fault{"bad_time", text};
  at = from_wall(*mapping_.times_in, *shown);
  return std::nullopt;
}

std::optional<row_fault> csv_reader::add_row(const import_sink& sink) {
  const auto* rule = rule_of_row();
  if (rule == nullptr && !mapping_.rules.empty()) return row_fault{"no_rule", {}};
  if (rule != nullptr && !rule->refuse.empty()) return row_fault{rule->refuse, {}};
  event_time at{};
  if (auto fault = read_time(at)) return fault;
  for (const auto name : amount_fields) {
    const auto& text = field(name);
    if (!text.empty() && !parse_decimal(text)) return row_fault{"bad_amount", text};
  }
  draft item_only;
  if (auto fault = add_item(item_only, rule)) return fault;

  const auto key = mapping_.group_by.empty() ? std::string{} : cell(mapping_.group_by);
  if (key.empty()) {
    draft single;
    start(single, rule);
    single.at = at;
    single.items = item_only.items;
    emit(single, sink);
    return std::nullopt;
  }
  if (closed_.contains(std::hash<std::string>{}(key))) {
    return row_fault{"late_row", "more than " + std::to_string(mapping_.group_window_rows) +
                                     " rows after the first of " + key};
  }
  auto [found, fresh] = groups_.try_emplace(key);
  auto& group = found->second;
  if (fresh) {
    start(group, rule);
    group.at = at;
    open_.push_back(key);
  }
  group.at = std::min(group.at, at);
  if (!item_only.items.empty()) group.items += (group.items.empty() ? "" : ",") + item_only.items;
  return std::nullopt;
}

std::optional<row_fault> csv_reader::add_item(draft& to, const import_mapping::rule* rule) const {
  std::string json;
  for (const auto& [name, key] : item_texts) append_field(json, key, field(name));
  if (mapping_.columns.contains("item.quantity")) {
    const auto& text = field("item.quantity");
    auto quantity = parse_decimal(text);
    if (quantity && rule != nullptr && rule->negate_quantity) {
      quantity->millionths = -quantity->millionths;
    }
    if (!quantity || quantity->millionths < 0) return row_fault{"bad_quantity", text};
    append_field(json, "quantity", format_decimal(quantity->millionths, 0));
  }
  if (mapping_.columns.contains("item.price")) {
    const auto& text = field("item.price");
    const auto price = parse_decimal(text);
    if (!price || price->millionths < 0) return row_fault{"bad_price", text};
    append_field(json, "price", text);
  }
  if (!json.empty()) to.items = "{" + json.substr(1) + "}";
  return std::nullopt;
}

void csv_reader::start(draft& d, const import_mapping::rule* rule) {
  d.line = row_.line;
  d.row = row_number_;
  d.name = rule != nullptr && !rule->name.empty() ? rule->name : field("name");
  d.id = field("id");
  if (d.id.empty()) {
    d.id =
        mapping_.group_by.empty() ? ids_.next(row_.text) : d.name + "-" + cell(mapping_.group_by);
  }
  const auto person = [&](std::string text) {
    const auto& suffix = mapping_.drop_suffix;
    if (!suffix.empty() && text.ends_with(suffix)) text.resize(text.size() - suffix.size());
    return text;
  };
  append_field(d.facts, "visitor", person(field("visitor")));
  append_field(d.facts, "user", person(field("user")));
  for (const auto name : plain_fields) append_field(d.facts, name, field(name));
  const auto& country = field("country");
  const auto code = mapping_.countries.find(country);
  if (code != mapping_.countries.end()) {
    append_field(d.facts, "country", code->second);
  } else if (mapping_.countries.empty()) {
    append_field(d.facts, "country", country);
  }
  std::string props;
  for (const auto& [name, column] : mapping_.props) append_field(props, name, cell(column));
  if (!props.empty()) d.facts += ",\"props\":{" + props.substr(1) + "}";
  add_order(d);
}

void csv_reader::add_order(draft& d) const {
  append_field(d.order, "id", field("order"));
  for (const auto name : amount_fields) append_field(d.order, name, field(name));
  append_field(d.order, "coupon", field("coupon"));
  const bool has_order = !d.order.empty() || mapping_.columns.contains("item.price");
  const auto& currency = field("currency");
  if (has_order) append_field(d.order, "currency", currency.empty() ? mapping_.currency : currency);
}

void csv_reader::emit(const draft& d, const import_sink& sink) const {
  std::string json = "{\"merchant\":";
  append_json_text(json, merchant_);
  append_field(json, "id", d.id);
  json += ",\"at\":" + std::to_string(to_ms(d.at));
  append_field(json, "name", d.name);
  json += d.facts;
  if (!d.order.empty() || !d.items.empty()) {
    auto order = d.order;
    if (!d.items.empty()) order += ",\"items\":[" + d.items + "]";
    json += ",\"order\":{" + order.substr(1) + "}";
  }
  sink.event({json + "}", d.line});
}

void csv_reader::emit_oldest(const import_sink& sink) {
  const auto found = groups_.find(open_.front());
  emit(found->second, sink);
  closed_.insert(std::hash<std::string>{}(found->first));
  groups_.erase(found);
  open_.pop_front();
}

}  // namespace

std::unique_ptr<import_reader> make_csv_reader(std::string merchant, import_mapping mapping) {
  return std::make_unique<csv_reader>(std::move(merchant), std::move(mapping));
}

}  // namespace tally::api
