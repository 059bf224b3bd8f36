#include "domain/scan_block.hpp"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "domain/event.hpp"
#include "domain/screen_class.hpp"
#include "domain/traffic_source.hpp"
#include "domain/url_text.hpp"
#include "domain/user_agent.hpp"

namespace tally {
namespace {

/// As logic_v1 makes it, so that sets of people are those of totals.
std::uint64_t person_hash(std::string_view person) {
  return XXH3_64bits(person.data(), person.size());
}

/// All at once, in the order in which they lie in memory; 0 for nobody.
std::vector<std::uint64_t> hashes_of(const std::vector<std::string_view>& people) {
  std::vector<std::uint64_t> hashes(people.size());
  for (std::size_t i = 0; i < hashes.size(); ++i)
    if (!people[i].empty()) hashes[i] = std::max<std::uint64_t>(1, person_hash(people[i]));
  return hashes;
}

std::vector<std::uint8_t> holds_by_word(const scan_filter& f,
                                        const std::vector<std::string_view>& words) {
  const auto& c = f.comparison;
  const bool whole = c.patterns.empty() && (f.op == filter_op::is || f.op == filter_op::is_not);
  std::vector<std::uint8_t> by_word(words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool holds = whole ? std::ranges::binary_search(c.values, words[i], std::less<>{}) ==
                                   (f.op == filter_op::is)
                             : holds_for(c, words[i]);
    by_word[i] = holds ? 1 : 0;
  }
  return by_word;
}

constexpr std::size_t currencies_max = 200;  // as logic_v1 counts

/// Of a browser or system as an event has it.
std::string_view part_of_agent(agent_part part, std::string_view word) {
  const auto [name, version] = split_version(word);
  const bool wants_version = part == agent_part::browser_version || part == agent_part::os_version;
  return wants_version ? version : name;
}

}  // namespace

scan_block::scan_block(const scan_plan& p, const event_columns& block)
    : plan_{p},
      block_{block},
      names_{block.text(text_field::name)},
      visitors_{block.text(text_field::visitor)},
      users_{block.text(text_field::user)},
      outcome_{block.number(number_field::outcome)},
      at_{block.number(number_field::at)},
      offset_{block.number(number_field::offset)},
      items_{p.needs.items},
      columns_(p.fields.size()) {
  for (const auto word : names_.words) kinds_.push_back(p.rules->kind_of(word));
  if (items_) cut_into_lines();
  if (p.needs.goals) cut_into_goals();
}

void scan_block::cut_into_lines() {
  cut_ = true;
  const auto& begins = block_.items.begins;
  for (std::uint32_t row = 0; row < block_.rows; ++row) {
    if (begins[row] == begins[row + 1]) {
      unit_rows_.push_back(row);
      unit_lines_.push_back(no_line);
    }
    for (auto line = begins[row]; line < begins[row + 1]; ++line) {
      unit_rows_.push_back(row);
      unit_lines_.push_back(line);
    }
  }
}

void scan_block::cut_into_goals() {
  std::vector<std::vector<std::uint8_t>> reached;
  for (const auto& goal : plan_.goals) reached.push_back(mask(goal));
  const auto none = static_cast<std::uint32_t>(reached.size());
  for (std::uint32_t row = 0; row < block_.rows; ++row) {
    const auto units_before = unit_rows_.size();
    for (std::uint32_t goal = 0; goal < none; ++goal)
      if (reached[goal][row] != 0) {
        unit_rows_.push_back(row);
        unit_goals_.push_back(goal);
      }
    if (unit_rows_.size() > units_before) continue;
    unit_rows_.push_back(row);
    unit_goals_.push_back(none);
  }
  cut_ = true;
  columns_.assign(columns_.size(), std::nullopt);  // they were by row
}

std::uint64_t scan_block::person(std::size_t row) {
  if (visitor_hashes_.empty()) {
    visitor_hashes_ = hashes_of(visitors_.words);
    user_hashes_ = hashes_of(users_.words);
  }
  const auto visitor = visitor_hashes_[visitors_.codes[row]];
  return visitor != 0 ? visitor : user_hashes_[users_.codes[row]];
}

std::optional<std::uint64_t> scan_block::customer(std::size_t row) {
  if (const auto user = users_.at(row); !user.empty()) return person_hash(user);
  const auto visitor = person(row);
  return visitor == 0 ? std::nullopt : std::optional{visitor};
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> scan_block::link(std::size_t row) {
  if (visitors_.at(row).empty() || users_.at(row).empty()) return std::nullopt;
  const auto& kinds = block_.number(number_field::kind);
  const bool identifies = !kinds.empty() &&
                          kinds[row] == static_cast<std::int64_t>(event_kind::identify) &&
                          outcome_[row] == static_cast<std::int64_t>(row_outcome::control);
  if (!identifies && !counted(row)) return std::nullopt;
  return std::pair{person(row), customer(row).value_or(0)};
}

const field_column& scan_block::column(std::size_t field) {
  auto& column = columns_[field];
  if (!column) {
    column.emplace();
    make_column(plan_.fields[field], *column);
  }
  return *column;
}

void scan_block::make_column(const scan_field& f, field_column& c) {
  switch (f.from) {
    case field_source::item:
      return make_item_column(f, c);
    case field_source::goal:
      return make_goal_column(c);
    case field_source::currency:
      make_currency_column(c);
      break;
    case field_source::traffic:
      if (traffic_codes_.empty()) make_traffic();
      for (const auto& texts : traffic_)
        c.words.emplace_back(texts[static_cast<std::size_t>(f.traffic)]);
      c.codes = &traffic_codes_;
      break;
    case field_source::property: {
      const auto found = block_.properties.find(f.property);
      ensure(found != block_.properties.end(), "a block without a property that was asked for");
      c.words = found->second.words;
      c.codes = &found->second.codes;
      break;
    }
    default: {
      const auto& texts = block_.text(f.text);
      ensure(texts.codes.size() == block_.rows, "a block without a column that was asked for");
      c.words = texts.words;
      c.codes = &texts.codes;
      if (f.from == field_source::hostname)
        for (auto& word : c.words) word = url_host(word);
      if (f.from == field_source::page || f.from == field_source::entry_page ||
          f.from == field_source::exit_page)
        for (auto& word : c.words) word = url_page(word);
      if (f.from == field_source::agent)
        for (auto& word : c.words) word = part_of_agent(f.agent, word);
      if (f.name == "visit:screen_class")
        for (auto& word : c.words) word = screen_class(word);
    }
  }
  if (cut_) spread(c);
}

/// From a number per row to one per unit.
void scan_block::spread(field_column& c) const {
  std::vector<std::uint32_t> codes(unit_rows_.size());
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = (*c.codes)[unit_rows_[i]];
  c.own_codes = std::move(codes);
  c.codes = &c.own_codes;
}

/// By line: the item's name, else its id.
void scan_block::make_product_column(field_column& c) const {
  const auto& names = block_.items.texts[static_cast<std::size_t>(item_field::name)];
  const auto& ids = block_.items.texts[static_cast<std::size_t>(item_field::id)];
  c.words = names.words;
  c.words.insert(c.words.end(), ids.words.begin(), ids.words.end());
  const auto names_count = static_cast<std::uint32_t>(names.words.size());
  c.own_codes.resize(names.codes.size());
  for (std::size_t i = 0; i < c.own_codes.size(); ++i) {
    const auto name = names.codes[i];
    c.own_codes[i] = names.words[name].empty() ? names_count + ids.codes[i] : name;
  }
  c.codes = &c.own_codes;
}

/// By line or, where units are lines, by unit: the last word is that of a row without lines.
void scan_block::make_item_column(const scan_field& f, field_column& c) {
  if (f.name == "event:product") {
    make_product_column(c);
  } else {
    const auto& texts = block_.items.texts[static_cast<std::size_t>(f.item)];
    c.words = texts.words;
    c.codes = &texts.codes;
  }
  c.words.emplace_back();
  if (!items_) return;
  const auto none = static_cast<std::uint32_t>(c.words.size() - 1);
  std::vector<std::uint32_t> codes(unit_lines_.size(), none);
  for (std::size_t i = 0; i < codes.size(); ++i)
    if (unit_lines_[i] != no_line) codes[i] = (*c.codes)[unit_lines_[i]];
  c.own_codes = std::move(codes);
  c.codes = &c.own_codes;
}

void scan_block::make_goal_column(field_column& c) const {
  for (const auto& goal : plan_.asked.named->goals) c.words.emplace_back(goal.name);
  c.words.emplace_back();
  c.codes = &unit_goals_;
}

/// Orders that name no currency are in the merchant's.
void scan_block::make_currency_column(field_column& c) const {
  const auto& texts = block_.text(text_field::order_currency);
  c.words = texts.words;
  c.own_codes = texts.codes;
  c.words.emplace_back(plan_.facts.currency);
  const auto merchants = static_cast<std::uint32_t>(c.words.size() - 1);
  for (std::size_t row = 0; row < c.own_codes.size(); ++row) {
    const auto is = kind(row);
    if ((is == counts_as::purchase || is == counts_as::refund) && texts.at(row).empty())
      c.own_codes[row] = merchants;
  }
  c.codes = &c.own_codes;
}

/// Most rows share few pairs of what their URL says about traffic and their referrer.
void scan_block::make_traffic() {
  const auto& urls = block_.text(text_field::url);
  const auto& referrers = block_.text(text_field::referrer);
  std::unordered_map<std::string, std::uint32_t> classes;
  std::vector<std::uint32_t> class_of(urls.words.size());
  for (std::size_t i = 0; i < urls.words.size(); ++i) {
    const auto url = urls.words[i];
    std::string key{url_host(url)};
    if (has_traffic_parameters(url)) key += "?" + std::string{url_query(url)};
    class_of[i] = classes.emplace(key, static_cast<std::uint32_t>(classes.size())).first->second;
  }
  std::unordered_map<std::uint64_t, std::uint32_t> pairs;
  std::uint64_t last_pair = ~std::uint64_t{0};
  std::uint32_t last_code = 0;
  traffic_codes_.resize(block_.rows);
  for (std::size_t row = 0; row < block_.rows; ++row) {
    const auto pair =
        std::uint64_t{class_of[urls.codes[row]]} << 32 | std::uint64_t{referrers.codes[row]};
    if (pair != last_pair) {
      const auto [entry, added] = pairs.emplace(pair, static_cast<std::uint32_t>(traffic_.size()));
      if (added) traffic_.push_back(traffic_of(urls.at(row), referrers.at(row)));
      last_pair = pair;
      last_code = entry->second;
    }
    traffic_codes_[row] = last_code;
  }
}

std::vector<std::uint8_t> scan_block::mask(const scan_filter& f) {
  if (is_comparison(f.op)) return compare(f);
  const bool any = f.op == filter_op::any_of;
  std::vector<std::uint8_t> all(units(), any ? 0 : 1);
  for (const auto& part : f.parts) {
    const auto one = mask(part);
    if (any) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] |= one[i];
    } else if (f.op == filter_op::none_of) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = one[i] != 0 ? 0 : all[i];
    } else {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] &= one[i];
    }
  }
  return all;
}

std::vector<std::uint8_t> scan_block::compare(const scan_filter& f) {
  if (plan_.fields[f.field].from == field_source::item && !items_) return compare_items(f);
  const auto& c = column(f.field);
  const auto by_word = holds_by_word(f, c.words);
  std::vector<std::uint8_t> holds(units());
  const auto& codes = *c.codes;
  for (std::size_t i = 0; i < holds.size(); ++i) holds[i] = by_word[codes[i]];
  return holds;
}

/// Of whole orders: one of the lines is it, or none of them.
std::vector<std::uint8_t> scan_block::compare_items(const scan_filter& f) {
  const auto& c = column(f.field);
  const auto by_word = holds_by_word(f, c.words);
  const bool all_lines = is_negated(f.op);
  const auto& begins = block_.items.begins;
  std::vector<std::uint8_t> holds(block_.rows, by_word.back());
  for (std::size_t row = 0; row < holds.size(); ++row) {
    if (begins[row] == begins[row + 1]) continue;
    holds[row] = all_lines ? 1 : 0;
    for (auto line = begins[row]; line < begins[row + 1]; ++line) {
      const auto one = by_word[(*c.codes)[line]];
      holds[row] = all_lines ? holds[row] & one : holds[row] | one;
    }
  }
  if (!cut_) return holds;
  std::vector<std::uint8_t> by_unit(units());
  for (std::size_t unit = 0; unit < by_unit.size(); ++unit) by_unit[unit] = holds[row_of(unit)];
  return by_unit;
}

std::int64_t scan_block::amount(number_field f, std::size_t row) const {
  const auto n = block_.number(f)[row];
  return n == no_number ? 0 : n;
}

money_sum scan_block::lines(std::size_t row, money_sum& units) const {
  const auto& items = block_.items;
  money_sum total = 0;
  for (auto line = items.begins[row]; line < items.begins[row + 1]; ++line) {
    units += items.quantity[line];
    if (const auto worth = multiply(money{items.quantity[line]}, money{items.price[line]}))
      total += worth->millionths;
  }
  return total;
}

/// The line that a unit is, or all lines of its order.
money_sum scan_block::worth(std::size_t unit, money_sum& units) const {
  const auto line = items_ ? unit_lines_[unit] : no_line;
  if (line == no_line) return lines(row_of(unit), units);
  units = block_.items.quantity[line];
  const auto price = money{block_.items.price[line]};
  const auto product = multiply(money{block_.items.quantity[line]}, price);
  return product ? product->millionths : 0;
}

std::optional<scan_sale> scan_block::sale(std::size_t unit, value_ids& currencies) {
  const auto row = row_of(unit);
  const auto is = kind(row);
  if (is != counts_as::purchase && is != counts_as::refund) return std::nullopt;
  const auto named = block_.text(text_field::order_currency).at(row);
  const auto currency = named.empty() ? std::string_view{plan_.facts.currency} : named;
  const auto& known = plan_.facts.currencies;
  if (known.size() >= currencies_max && std::ranges::find(known, currency) == known.end())
    return std::nullopt;

  scan_sale s;
  s.refund = is == counts_as::refund;
  s.currency = currencies.id(currency);
  s.of_answer = currency == plan_.currency;
  if (plan_.needs.order_days)
    if (const auto order = block_.text(text_field::order_id).at(row); !order.empty())
      s.order = std::max<std::uint64_t>(1, person_hash(order));
  const auto who = customer(row);
  s.has_customer = who.has_value();
  s.customer = who.value_or(0);
  set_amounts(unit, s);
  if (!plan_.needs.rates || s.of_answer) return s;
  s.known_ms =
      std::max(block_.number(number_field::stamped_at)[row], to_ms(plan_.facts.rates_known));
  // Of a refund perhaps that of its order's day: find_order_days().
  if (!s.refund || !plan_.needs.order_days) convert(s, currency, plan_, at_[row]);
  return s;
}

void scan_block::set_amounts(std::size_t unit, scan_sale& s) const {
  const auto row = row_of(unit);
  const bool any_lines = block_.items.begins[row] != block_.items.begins[row + 1];
  money_sum units = 0;
  const auto sum = worth(unit, units);
  if (s.refund) {
    s.refunds = any_lines ? sum : amount(number_field::amount, row);
    return;
  }
  s.units = units;
  s.gross = sum;
  const auto tax = amount(number_field::tax, row), shipping = amount(number_field::shipping, row),
             discount = amount(number_field::discount, row);
  if (!any_lines) {
    const auto total = block_.number(number_field::total)[row];
    if (block_.number(number_field::subtotal)[row] != no_number)
      s.gross = amount(number_field::subtotal, row);
    else if (total != no_number)
      s.gross = money_sum{total} - tax - shipping + discount;
  }
  if (items_) return;  // they are the order's
  s.tax = tax;
  s.shipping = shipping;
  s.discounts = discount;
}

const field_column& scan_block::page_column() {
  if (!pages_) {
    pages_.emplace();
    make_column(*find_scan_field("event:page"), *pages_);
  }
  return *pages_;
}

std::int8_t scan_block::scroll(std::size_t row) const {
  if (kind(row) != counts_as::engagement) return -1;
  const auto found = block_.properties.find(scroll_property);
  if (found == block_.properties.end()) return -1;
  const auto text = found->second.at(row);
  int percent = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  const bool whole = end == text.data() + text.size() || *end == '.';
  if (error != std::errc{} || !whole || percent < 0 || percent > 100) return -1;
  return static_cast<std::int8_t>(percent);
}

}  // namespace tally
