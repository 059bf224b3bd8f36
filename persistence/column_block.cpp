#include "persistence/column_block.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "domain/ensure.hpp"
#include "persistence/column_fields.hpp"
#include "persistence/event_codec.hpp"

namespace tally::persistence {
namespace {

std::int64_t or_absent(const std::optional<money>& v) {
  return v ? v->millionths : no_number;
}

std::optional<money> amount_of(std::int64_t v) {
  if (v == no_number) return std::nullopt;
  return money{v};
}

}  // namespace

void column_builder::add_number(number_field f, std::int64_t v) {
  columns_.events.numbers[static_cast<std::size_t>(f)].push_back(v);
}

void column_builder::add_text(text_field f, std::string_view v) {
  const auto i = static_cast<std::size_t>(f);
  columns_.events.texts[i].codes.push_back(texts_[i].code_of(v));
}

void column_builder::add_items(const std::vector<order_item>& items) {
  auto& to = columns_.events.items;
  if (to.begins.empty()) to.begins.push_back(0);
  for (const auto& item : items) {
    for (std::size_t i = 0; i < item_fields; ++i)
      to.texts[i].codes.push_back(item_texts_[i].code_of(item.*item_text_members[i]));
    to.quantity.push_back(item.quantity.millionths);
    to.price.push_back(item.price.millionths);
  }
  to.begins.push_back(static_cast<std::uint32_t>(to.quantity.size()));
}

void column_builder::add(std::uint64_t offset, event_time stamped_at, row_outcome outcome,
                         const event& e, std::string_view original) {
  for (const auto& [f, member] : event_text_members) add_text(f, e.*member);
  add_text(text_field::sent_text, e.sent.text);
  for (const auto& [f, member] : order_text_members) add_text(f, e.order.*member);
  add_number(number_field::offset, static_cast<std::int64_t>(offset));
  add_number(number_field::stamped_at, to_ms(stamped_at));
  add_number(number_field::at, to_ms(e.at));
  add_number(number_field::received_at, to_ms(e.received_at));
  const bool unsent = e.sent.form == time_form::none && to_ms(e.sent.at) == 0;
  add_number(number_field::sent_at, unsent ? no_number : to_ms(e.sent.at));
  add_number(number_field::sent_form, static_cast<std::int64_t>(e.sent.form));
  add_number(number_field::kind, static_cast<std::int64_t>(e.kind));
  add_number(number_field::origin, static_cast<std::int64_t>(e.origin));
  add_number(number_field::count, e.count);
  add_number(number_field::has_order, e.has_order ? 1 : 0);
  for (const auto& [f, member] : order_amount_members) add_number(f, or_absent(e.order.*member));
  add_number(number_field::outcome, static_cast<std::int64_t>(outcome));
  add_items(e.order.items);
  columns_.original.codes.push_back(originals_.code_of(original));
  ++rows_;
}

void column_builder::add(const tail_row& row) {
  if (!decode_event(row.bytes, scratch_)) {
    scratch_.clear();
    add(row.offset, row.stamped_at, row.outcome, scratch_, row.bytes);
    return;
  }
  again_.clear();
  encode_event(scratch_, again_);
  // An empty order has an empty map, and event_at gives it again: has_order is a column.
  add(row.offset, row.stamped_at, row.outcome, scratch_,
      again_ == row.bytes ? std::string_view{} : row.bytes);
}

void column_builder::add(const whole_columns& from, std::size_t row) {
  const auto number = [&](number_field f) { return from.events.number(f)[row]; };
  event_at(from.events, {}, row, scratch_);
  add(static_cast<std::uint64_t>(number(number_field::offset)),
      time_from_ms(number(number_field::stamped_at)),
      static_cast<row_outcome>(number(number_field::outcome)), scratch_, from.original.at(row));
}

whole_columns column_builder::take() {
  for (std::size_t i = 0; i < text_fields; ++i)
    columns_.events.texts[i].words = std::move(texts_[i].words());
  for (std::size_t i = 0; i < item_fields; ++i)
    columns_.events.items.texts[i].words = std::move(item_texts_[i].words());
  columns_.original.words = std::move(originals_.words());
  columns_.events.rows = rows_;
  if (rows_ == 0) columns_.events.items.begins.assign(1, 0);
  auto taken = std::move(columns_);
  *this = column_builder{};
  return taken;
}

void event_at(const event_columns& from, std::string_view merchant, std::size_t row, event& into) {
  into.clear();
  const auto number = [&](number_field f) { return from.number(f)[row]; };
  into.merchant = merchant;
  for (const auto& [f, member] : event_text_members) into.*member = from.text(f).at(row);
  into.sent.text = from.text(text_field::sent_text).at(row);
  for (const auto& [f, member] : order_text_members) into.order.*member = from.text(f).at(row);
  into.at = time_from_ms(number(number_field::at));
  into.received_at = time_from_ms(number(number_field::received_at));
  const auto sent = number(number_field::sent_at);
  into.sent.at = time_from_ms(sent == no_number ? 0 : sent);
  into.sent.form = static_cast<time_form>(number(number_field::sent_form));
  into.kind = static_cast<event_kind>(number(number_field::kind));
  into.origin = static_cast<id_origin>(number(number_field::origin));
  into.count = static_cast<std::uint32_t>(number(number_field::count));
  into.has_order = number(number_field::has_order) != 0;
  for (const auto& [f, member] : order_amount_members) into.order.*member = amount_of(number(f));
  const auto& items = from.items;
  for (auto i = items.begins[row]; i < items.begins[row + 1]; ++i) {
    auto& item = into.order.items.emplace_back();
    for (std::size_t t = 0; t < item_fields; ++t) item.*item_text_members[t] = items.texts[t].at(i);
    item.quantity = money{items.quantity[i]};
    item.price = money{items.price[i]};
  }
}

void append_event(const whole_columns& from, std::string_view merchant, std::size_t row,
                  event& scratch, std::string& out) {
  if (const auto original = from.original.at(row); !original.empty()) {
    out.append(original);
    return;
  }
  event_at(from.events, merchant, row, scratch);
  encode_event(scratch, out);
}

result<event_columns> columns_of(const std::vector<tail_row>& rows, const column_wish& wish) {
  std::size_t bytes = 0;
  for (const auto& row : rows) bytes += row.bytes.size();
  auto copy = std::make_shared<std::string>();
  copy->reserve(bytes);
  event e;
  column_builder builder;
  for (const auto& row : rows) {
    const auto begin = copy->size();
    copy->append(row.bytes);
    const auto kept = std::string_view{*copy}.substr(begin);
    if (!decode_event(kept, e))
      return failure{errc::corrupt_record, "event " + std::to_string(row.offset)};
    builder.add(row.offset, row.stamped_at, row.outcome, e, {});
  }
  auto columns = builder.take().events;
  columns.keep = copy;
  add_properties(columns, wish.properties);
  return columns;
}

}  // namespace tally::persistence
