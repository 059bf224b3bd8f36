#include "api/answer_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/json_text.hpp"
#include "api/text_table.hpp"
#include "domain/client_time.hpp"
#include "domain/query_metrics.hpp"
#include "domain/scan_metrics.hpp"

namespace tally::api {
namespace {

using form = metric_value::form;

std::string whole(int128 n) {
  auto magnitude = n < 0 ? -static_cast<uint128>(n) : static_cast<uint128>(n);
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(magnitude % 10)));
    magnitude /= 10;
  } while (magnitude != 0);
  if (n < 0) text.push_back('-');
  std::ranges::reverse(text);
  return text;
}

std::string tenths(int128 n) {
  auto text = whole(n);
  const std::size_t sign = n < 0 ? 1 : 0;
  if (text.size() - sign < 2) text.insert(sign, "0");
  text.insert(text.size() - 1, ".");
  return text;
}

metric_unit unit_of(std::string_view metric) {
  if (const auto* const found = find_metric(metric)) return found->unit;
  const auto* const scanned = find_scan_metric(metric);
  return scanned == nullptr ? metric_unit::count : scanned->unit;
}

/// Writes JSON, putting the commas.
class json_out {
 public:
  std::string text;

  void open(char bracket) {
    comma();
    text += bracket;
    fresh_ = true;
  }
  void close(char bracket) {
    text += bracket;
    fresh_ = false;
  }
  void key(std::string_view name) {
    comma();
    append_json_text(text, name);
    text += ':';
    fresh_ = true;
  }
  void raw(std::string_view value) {
    comma();
    text += value;
  }
  void string(std::string_view value) {
    comma();
    append_json_text(text, value);
  }
  void strings(const std::vector<std::string>& values) {
    open('[');
    for (const auto& v : values) string(v);
    close(']');
  }
  void flag(std::string_view name, bool value) {
    key(name);
    raw(value ? "true" : "false");
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    raw(std::to_string(value));
  }
  void fraction(double value) {
    std::array<char, 32> digits{};
    const auto written =
        std::to_chars(digits.begin(), digits.end(), value, std::chars_format::general, 4);
    raw({digits.data(), static_cast<std::size_t>(written.ptr - digits.data())});
  }
  void moment(event_time at) {
    if (at == event_time{})
      raw("null");
    else
      string(format_rfc3339(at));
  }

 private:
  void comma() {
    if (!fresh_) text += ',';
    fresh_ = false;
  }
  bool fresh_ = true;
};

class answer_writer {
 public:
  answer_writer(const question& q, const actors::query_reply& reply) : q_{q}, reply_{reply} {
    for (const auto& name : q.metrics) units_.push_back(unit_of(name));
  }

  std::string json() {
    out_.open('{');
    out_.key("results");
    out_.open('[');
    for (const auto& row : reply_.table.rows) put_row(row);
    out_.close(']');
    out_.key("meta");
    put_meta();
    out_.key("query");
    put_query();
    out_.close('}');
    return std::move(out_.text);
  }

  std::string ndjson() {
    std::string all;
    for (const auto& row : reply_.table.rows) {
      out_ = {};
      out_.open('{');
      put_members(row.dimensions, row.metrics);
      if (!row.compared.empty()) {
        out_.key("comparison");
        out_.open('{');
        put_members(row.compared_labels, row.compared);
        out_.close('}');
      }
      out_.close('}');
      all += out_.text;
      all += '\n';
    }
    return all;
  }

 private:
  void put_value(const metric_value& value, std::size_t metric) {
    if (units_[metric] == metric_unit::moment) return out_.moment(reply_.complete_through);
    if (value.is == form::null) return out_.raw("null");
    const auto text = to_text(value, q_.metrics[metric], reply_.table.currency);
    if (units_[metric] == metric_unit::money)
      out_.string(text);
    else
      out_.raw(text);
  }
  void put_values(const std::vector<metric_value>& values) {
    out_.open('[');
    for (std::size_t i = 0; i < values.size(); ++i) put_value(values[i], i);
    out_.close(']');
  }
  void put_members(const std::vector<std::string>& labels,
                   const std::vector<metric_value>& values) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      out_.key(q_.dimensions[i]);
      out_.string(labels[i]);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      out_.key(q_.metrics[i]);
      put_value(values[i], i);
    }
  }

  void put_row(const answer_row& row) {
    out_.open('{');
    out_.key("dimensions");
    out_.strings(row.dimensions);
    out_.key("metrics");
    put_values(row.metrics);
    if (q_.compare != comparison::none) {
      out_.key("comparison");
      put_comparison(row);
    }
    if (q_.include_exactness) {
      out_.key("errors");
      out_.open('[');
      for (const auto& value : row.metrics) out_.fraction(value.error);
      out_.close(']');
    }
    out_.close('}');
  }

  void put_comparison(const answer_row& row) {
    if (row.compared.empty()) return out_.raw("null");
    out_.open('{');
    out_.key("dimensions");
    out_.strings(row.compared_labels);
    out_.key("metrics");
    put_values(row.compared);
    out_.key("change");
    out_.open('[');
    for (std::size_t i = 0; i < row.compared.size(); ++i) {
      const auto change = change_between(row.compared[i], row.metrics[i]);
      out_.raw(change.is == form::null ? "null" : to_text(change, {}, {}));
    }
    out_.close(']');
    out_.close('}');
  }

  void put_meta() {
    const auto& table = reply_.table;
    out_.open('{');
    out_.key("as_of");
    out_.moment(reply_.as_of);
    out_.key("complete_through");
    out_.moment(reply_.complete_through);
    out_.number("generation", reply_.generation);
    out_.flag("exact", table.exact);
    if (!table.exact) {
      out_.key("error");
      out_.fraction(table.error);
    }
    out_.key("currency");
    out_.string(table.currency);
    out_.key("other_currencies");
    out_.strings(table.other_currencies);
    if (!table.converted_currencies.empty()) {
      out_.key("converted_currencies");
      out_.strings(table.converted_currencies);
    }
    out_.key("cost");
    out_.open('{');
    out_.number("rows", reply_.rows_read);
    out_.number("events", reply_.events_read);
    out_.number("blocks_skipped", reply_.blocks_skipped);
    out_.close('}');
    if (q_.include_time_labels) {
      out_.key("time_labels");
      out_.strings(table.time_labels);
    }
    if (q_.include_total_rows) out_.number("total_rows", table.total_rows);
    if (table.totals) {
      out_.key("totals");
      put_row(*table.totals);
    }
    out_.close('}');
  }

  void put_query() {
    const auto& table = reply_.table;
    out_.open('{');
    out_.key("site_id");
    out_.string(q_.merchant);
    out_.key("metrics");
    out_.strings(q_.metrics);
    out_.key("date_range");
    out_.strings({table.from, table.to});
    out_.key("filters");
    put_filters();
    out_.key("dimensions");
    out_.strings(q_.dimensions);
    out_.key("order_by");
    put_order_by();
    out_.key("include");
    put_include();
    out_.key("pagination");
    out_.open('{');
    out_.number("limit", q_.limit != 0 ? q_.limit : limit_meant());
    out_.number("offset", q_.offset);
    out_.close('}');
    out_.key("timezone");
    out_.string(table.zone);
    out_.key("currency");
    out_.string(table.currency);
    if (q_.refunds_on_order_day) {
      out_.key("refunds_on");
      out_.string("order");
    }
    if (!q_.converts) out_.flag("convert", false);
    out_.close('}');
  }

  [[nodiscard]] std::uint64_t limit_meant() const {
    const bool all_time = std::ranges::all_of(
        q_.dimensions, [](const std::string& d) { return d.starts_with("time"); });
    return all_time ? buckets_max : answer_rows_default;
  }

  void put_filters() {
    out_.open('[');
    if (!q_.names.empty()) {
      out_.open('[');
      out_.string("is");
      out_.string("event:name");
      out_.strings(q_.names);
      out_.close(']');
    }
    for (const auto& filter : q_.filters) put_filter(filter);
    out_.close(']');
  }

  void put_filter(const event_filter& filter) {
    out_.open('[');
    out_.string(to_string(filter.op));
    if (is_comparison(filter.op)) {
      out_.string(filter.field);
      out_.strings(filter.values);
      if (!filter.case_sensitive) {
        out_.open('{');
        out_.flag("case_sensitive", false);
        out_.close('}');
      }
    } else if (filter.op == filter_op::all_of || filter.op == filter_op::any_of) {
      out_.open('[');
      for (const auto& part : filter.parts) put_filter(part);
      out_.close(']');
    } else {
      for (const auto& part : filter.parts) put_filter(part);
    }
    out_.close(']');
  }

  void put_order_by() {
    auto order = q_.order_by;
    if (order.empty()) {
      for (const auto& d : q_.dimensions)
        if (d.starts_with("time")) order.emplace_back(d, false);
      order.emplace_back(q_.metrics.front(), true);
    }
    out_.open('[');
    for (const auto& [name, descending] : order) out_.strings({name, descending ? "desc" : "asc"});
    out_.close(']');
  }

  void put_include() {
    out_.open('{');
    if (q_.include_totals) out_.flag("totals", true);
    if (q_.include_time_labels) out_.flag("time_labels", true);
    if (q_.include_total_rows) out_.flag("total_rows", true);
    if (q_.include_exactness) out_.flag("exactness", true);
    if (q_.compare != comparison::none) {
      out_.key("compare");
      if (q_.compare == comparison::custom)
        out_.strings({q_.compare_from, q_.compare_to});
      else
        out_.string(q_.compare == comparison::previous_period ? "previous_period"
                                                              : "year_over_year");
    }
    if (q_.match_day_of_week) out_.flag("compare_match_day_of_week", true);
    out_.close('}');
  }

  const question& q_;
  const actors::query_reply& reply_;
  std::vector<metric_unit> units_;
  json_out out_;
};

}  // namespace

std::string to_json(const question& q, const actors::query_reply& reply) {
  return answer_writer{q, reply}.json();
}

std::string to_ndjson(const question& q, const actors::query_reply& reply) {
  return answer_writer{q, reply}.ndjson();
}

std::string to_csv(const question& q, const actors::query_reply& reply) {
  std::vector<std::vector<std::string>> lines(1);
  const bool compared = q.compare != comparison::none;
  const auto add_header = [&](const std::string& before) {
    for (const auto& name : q.dimensions) lines[0].push_back(before + name);
    for (const auto& name : q.metrics) lines[0].push_back(before + name);
  };
  const auto add_cells = [&](const std::vector<std::string>& labels,
                             const std::vector<metric_value>& values) {
    auto& line = lines.back();
    for (std::size_t i = 0; i < q.dimensions.size(); ++i)
      line.push_back(labels.empty() ? "" : labels[i]);
    for (std::size_t i = 0; i < q.metrics.size(); ++i) {
      const bool moment = unit_of(q.metrics[i]) == metric_unit::moment;
      if (moment && reply.complete_through != event_time{})
        line.push_back(format_rfc3339(reply.complete_through));
      else
        line.push_back(values.empty() ? ""
                                      : to_text(values[i], q.metrics[i], reply.table.currency));
    }
  };
  add_header("");
  if (compared) add_header("comparison:");
  for (const auto& row : reply.table.rows) {
    lines.emplace_back();
    add_cells(row.dimensions, row.metrics);
    if (compared) add_cells(row.compared_labels, row.compared);
  }
  std::string text;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i != 0) text += ',';
      append_csv_field(text, line[i]);
    }
    text += '\n';
  }
  return text;
}

std::string to_text(const metric_value& value, std::string_view metric, std::string_view currency) {
  switch (value.is) {
    case form::null:
      return {};
    case form::integer:
      return whole(value.number);
    case form::percent:
      return tenths(value.number);
    case form::decimal:
      return format_decimal(value.number,
                            unit_of(metric) == metric_unit::money ? currency_places(currency) : 0);
  }
  return {};
}

}  // namespace tally::api
