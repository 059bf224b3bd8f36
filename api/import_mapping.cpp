#include "api/import_mapping.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "domain/money.hpp"

namespace tally::api {

namespace {

constexpr std::array<std::string_view, 31> known_fields{
    "time",        "id",        "user",          "visitor",    "session",       "name",
    "url",         "referrer",  "title",         "language",   "country",       "device",
    "browser",     "os",        "order",         "currency",   "discount",      "tax",
    "shipping",    "coupon",    "total",         "subtotal",   "amount",        "item.id",
    "item.sku",    "item.name", "item.quantity", "item.price", "item.category", "item.brand",
    "item.variant"};

/// Reads one table key by key; the first thing wrong is kept.
class table_reader {
 public:
  table_reader(const toml::table& table, std::string file)
      : table_{table}, file_{std::move(file)} {}

  std::string text(std::string_view key) {
    const auto* node = table_.get(key);
    known_.insert(std::string{key});
    if (node == nullptr) return {};
    const auto* value = node->as_string();
    if (value == nullptr) fail(*node, key, " must be a text");
    return value == nullptr ? "" : value->get();
  }
  bool flag(std::string_view key) {
    const auto* node = table_.get(key);
    known_.insert(std::string{key});
    if (node == nullptr) return false;
    const auto* value = node->as_boolean();
    if (value == nullptr) fail(*node, key, " must be true or false");
    return value != nullptr && value->get();
  }
  std::size_t count(std::string_view key, std::size_t otherwise) {
    const auto* node = table_.get(key);
    known_.insert(std::string{key});
    if (node == nullptr) return otherwise;
    const auto* value = node->as_integer();
    const bool good = value != nullptr && value->get() > 0;
    if (!good) fail(*node, key, " must be a whole number above 0");
    return good ? static_cast<std::size_t>(value->get()) : otherwise;
  }
  std::map<std::string, std::string, std::less<>> texts(std::string_view key) {
    std::map<std::string, std::string, std::less<>> out;
    const auto* node = table_.get(key);
    known_.insert(std::string{key});
    if (node == nullptr) return out;
    if (!node->is_table()) {
      fail(*node, key, " must be a table");
      return out;
    }
    for (const auto& [name, content] : *node->as_table()) {
      const auto* value = content.as_string();
      if (value == nullptr) fail(content, name.str(), " must be a text");
      if (value != nullptr) out.emplace(name.str(), value->get());
    }
    return out;
  }
  const toml::array* tables(std::string_view key) {
    const auto* node = table_.get(key);
    known_.insert(std::string{key});
    if (node == nullptr) return nullptr;
    const auto* array = node->as_array();
    const bool good = array != nullptr && array->is_homogeneous(toml::node_type::table);
    if (!good) fail(*node, key, " must be written as [[", key, "]]");
    return good ? array : nullptr;
  }
  void refuse_unknown() {
    for (const auto& [name, node] : table_) {
      if (!known_.contains(std::string{name.str()})) {
        fail(node, "unknown key ", name.str());
      }
    }
  }
  /// Says what is wrong with a node; the first one counts.
  template <class... Texts>
  void fail(const toml::node& node, const Texts&... what) {
    if (!wrong_.empty()) return;
    std::ostringstream out;
    out << file_ << ':' << node.source().begin.line << ':' << node.source().begin.column << ": ";
    (out << ... << what);
    wrong_ = out.str();
  }
  void fail(const std::string& what) {
    if (wrong_.empty()) wrong_ = file_ + ": " + what;
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  const toml::table& table_;
  std::string file_;
  std::set<std::string> known_;
  std::string wrong_;
};

import_mapping::rule read_rule(table_reader& in) {
  import_mapping::rule rule;
  rule.column = in.text("column");
  rule.starts_with = in.text("starts_with");
  rule.name = in.text("name");
  rule.refuse = in.text("refuse");
  rule.negate_quantity = in.flag("negate_quantity");
  in.refuse_unknown();
  if (rule.name.empty() == rule.refuse.empty()) in.fail("a rule needs a name or a refuse code");
  return rule;
}

void check(const import_mapping& mapping, table_reader& in) {
  for (const auto& [field, column] : mapping.columns) {
    if (std::find(known_fields.begin(), known_fields.end(), field) == known_fields.end()) {
      in.fail("columns: unknown field " + field);
    }
  }
  if (!mapping.columns.contains("time")) in.fail("columns: time is missing");
  if (!mapping.currency.empty() && !is_currency(mapping.currency)) {
    in.fail("currency: '" + mapping.currency + "' is no currency code");
  }
  if (mapping.rules.empty() && !mapping.columns.contains("name")) {
    in.fail("neither a rule nor a column gives events a name");
  }
}

}  // namespace

result<import_mapping> parse_mapping(std::string_view toml_text, const std::string& name) {
  toml::table document;
  try {
    document = toml::parse(toml_text, std::string_view{name});
  } catch (const toml::parse_error& error) {
    std::ostringstream out;
    out << name << ':' << error.source().begin.line << ':' << error.source().begin.column << ": "
        << error.description();
    return failure{errc::bad_option, out.str()};
  }
  table_reader in{document, name};
  import_mapping mapping;
  const auto separator = in.text("separator");
  if (separator.size() > 1) in.fail("separator must be one character");
  if (!separator.empty()) mapping.separator = separator.front();
  const auto zone_name = in.text("zone");
  mapping.times_in = zone::find(zone_name.empty() ? "UTC" : zone_name);
  if (mapping.times_in == nullptr) in.fail("zone: '" + zone_name + "' is no time zone");
  mapping.time_pattern = in.text("time_pattern");
  mapping.currency = in.text("currency");
  mapping.group_by = in.text("group_by");
  mapping.group_window_rows = in.count("group_window_rows", mapping.group_window_rows);
  mapping.drop_suffix = in.text("drop_suffix");
  mapping.columns = in.texts("columns");
  mapping.props = in.texts("props");
  mapping.countries = in.texts("countries");
  if (const auto* rules = in.tables("rule")) {
    for (const auto& node : *rules) {
      table_reader rule_in{*node.as_table(), name};
      mapping.rules.push_back(read_rule(rule_in));
      if (!rule_in.wrong().empty()) return failure{errc::bad_option, rule_in.wrong()};
    }
  }
  in.refuse_unknown();
  check(mapping, in);
  if (!in.wrong().empty()) return failure{errc::bad_option, in.wrong()};
  return mapping;
}

result<import_mapping> read_mapping(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) return failure{errc::not_found, path + ": cannot be read"};
  return parse_mapping(content.str(), path);
}

}  // namespace tally::api
