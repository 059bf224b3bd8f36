#include <algorithm>
#include <array>

#include "persistence/column_block.hpp"
#include "persistence/column_fields.hpp"

/// Columns as they rest: which number stands for which, and what is left out.
namespace tally::persistence {
namespace {

constexpr auto first_number = static_cast<std::size_t>(column_number::first_number);
constexpr auto first_item_text = static_cast<std::size_t>(column_number::first_item_text);
constexpr std::int64_t one = 1'000'000;

constexpr std::size_t at(column_number n) {
  return static_cast<std::size_t>(n);
}
constexpr std::size_t at(number_field f) {
  return first_number + static_cast<std::size_t>(f);
}

bool all_are(const std::vector<std::int64_t>& values, std::int64_t v) {
  return std::all_of(values.begin(), values.end(), [&](auto x) { return x == v; });
}

bool all_empty(const text_column& texts) {
  return texts.words.empty() || (texts.words.size() == 1 && texts.words.front().empty());
}

std::vector<std::int64_t> counts_of(const std::vector<std::uint32_t>& begins) {
  std::vector<std::int64_t> counts(begins.size() - 1);
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = begins[i + 1] - begins[i];
  return counts;
}

/// Appends to the list of columns unless nothing is there.
class encoder {
 public:
  void texts(std::size_t number, const text_column& column) {
    if (all_empty(column)) return;
    encode_texts(begin(number), column);
  }
  void numbers(std::size_t number, const std::vector<std::int64_t>& values, std::int64_t absent,
               const std::vector<std::int64_t>* base = nullptr) {
    if (all_are(values, absent)) return;
    encode_numbers(begin(number), values, base);
  }
  std::vector<encoded_column> out;

 private:
  std::string& begin(std::size_t number) {
    return out.emplace_back(encoded_column{static_cast<std::uint8_t>(number), {}}).bytes;
  }
};

/// Finds columns by number and decodes them.
class decoder {
 public:
  using columns = std::vector<std::pair<std::uint8_t, std::string_view>>;
  decoder(std::size_t rows, const columns& given) : rows_{rows} {
    for (const auto& [number, bytes] : given)
      if (number < column_numbers) given_[number] = bytes;
  }

  bool texts(std::size_t number, std::size_t rows, text_column& into) const {
    if (given_[number].empty()) {
      into.words.assign(1, std::string_view{});
      into.codes.assign(rows, 0);
      return true;
    }
    byte_reader in{given_[number]};
    return decode_texts(in, rows, into) && in.at_end();
  }
  bool numbers(std::size_t number, std::size_t rows, std::int64_t absent,
               std::vector<std::int64_t>& into,
               const std::vector<std::int64_t>* base = nullptr) const {
    if (given_[number].empty()) {
      into.assign(rows, absent);
      return true;
    }
    byte_reader in{given_[number]};
    return decode_numbers(in, rows, into, base) && in.at_end();
  }
  bool number(number_field f, event_columns& into) const {
    auto& values = into.numbers[static_cast<std::size_t>(f)];
    if (const auto base = base_of(f)) {
      std::vector<std::int64_t> apart_from;
      const bool good = numbers(at(*base), rows_, absent_value(*base), apart_from);
      return good && numbers(at(f), rows_, absent_value(f), values, &apart_from);
    }
    return numbers(at(f), rows_, absent_value(f), values);
  }
  bool items(item_columns& into) const {
    std::vector<std::int64_t> counts;
    if (!numbers(at(column_number::item_counts), rows_, 0, counts)) return false;
    std::int64_t total = 0;
    into.begins.assign(1, 0);
    for (const auto count : counts) {
      if (count < 0 || count > static_cast<std::int64_t>(column_values_max) - total) return false;
      total += count;
      into.begins.push_back(static_cast<std::uint32_t>(total));
    }
    const auto all = static_cast<std::size_t>(total);
    for (std::size_t i = 0; i < item_fields; ++i)
      if (!texts(first_item_text + i, all, into.texts[i])) return false;
    return numbers(at(column_number::quantity), all, one, into.quantity) &&
           numbers(at(column_number::price), all, 0, into.price);
  }

 private:
  std::size_t rows_;
  std::array<std::string_view, column_numbers> given_;
};

}  // namespace

std::vector<encoded_column> encode_columns(const whole_columns& columns) {
  encoder to;
  const auto& events = columns.events;
  for (std::size_t i = 0; i < text_fields; ++i) to.texts(i, events.texts[i]);
  for (std::size_t i = 0; i < number_fields; ++i) {
    const auto f = static_cast<number_field>(i);
    const auto base = base_of(f);
    to.numbers(at(f), events.number(f), absent_value(f), base ? &events.number(*base) : nullptr);
  }
  const auto& items = events.items;
  to.numbers(at(column_number::item_counts), counts_of(items.begins), 0);
  for (std::size_t i = 0; i < item_fields; ++i) to.texts(first_item_text + i, items.texts[i]);
  to.numbers(at(column_number::quantity), items.quantity, one);
  to.numbers(at(column_number::price), items.price, 0);
  to.texts(at(column_number::original), columns.original);
  return std::move(to.out);
}

std::vector<bool> columns_for(const column_wish& wish) {
  std::vector<bool> wanted(column_numbers, false);
  const auto want = [&](number_field f) {
    wanted[at(f)] = true;
    if (const auto base = base_of(f)) wanted[at(*base)] = true;
  };
  want(number_field::offset);
  for (const auto f : wish.texts) wanted[static_cast<std::size_t>(f)] = true;
  for (const auto f : wish.numbers) want(f);
  if (!wish.properties.empty()) wanted[static_cast<std::size_t>(text_field::props)] = true;
  if (wish.items)
    for (auto i = at(column_number::item_counts); i <= at(column_number::price); ++i)
      wanted[i] = true;
  return wanted;
}

std::vector<bool> all_columns() {
  std::vector<bool> wanted(column_numbers, false);
  for (std::size_t i = 0; i < text_fields; ++i) wanted[i] = true;
  for (std::size_t i = 0; i < number_fields; ++i) wanted[first_number + i] = true;
  for (auto i = at(column_number::item_counts); i < column_numbers; ++i) wanted[i] = true;
  return wanted;
}

bool decode_columns(std::size_t rows,
                    const std::vector<std::pair<std::uint8_t, std::string_view>>& given,
                    const std::vector<bool>& wanted, whole_columns& into) {
  const decoder from{rows, given};
  auto& events = into.events;
  events.rows = rows;
  for (std::size_t i = 0; i < text_fields; ++i)
    if (wanted[i] && !from.texts(i, rows, events.texts[i])) return false;
  for (std::size_t i = 0; i < number_fields; ++i)
    if (wanted[first_number + i] && !from.number(static_cast<number_field>(i), events))
      return false;
  if (wanted[at(column_number::item_counts)] && !from.items(events.items)) return false;
  return !wanted[at(column_number::original)] ||
         from.texts(at(column_number::original), rows, into.original);
}

}  // namespace tally::persistence
