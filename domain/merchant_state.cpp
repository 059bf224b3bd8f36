#include "domain/merchant_state.hpp"

#include <chrono>

namespace tally {

std::uint16_t text_numbers::number(std::string_view text, std::size_t limit) {
  if (last_ < texts_.size() && texts_[last_] == text) return last_;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    if (texts_[i] != text) continue;
    last_ = static_cast<std::uint16_t>(i);
    return last_;
  }
  if (texts_.size() >= limit) return none;
  texts_.emplace_back(text);
  last_ = static_cast<std::uint16_t>(texts_.size() - 1);
  return last_;
}

std::size_t text_numbers::heap_bytes() const {
  std::size_t bytes = texts_.capacity() * sizeof(std::string);
  for (const auto& t : texts_)
    if (t.capacity() > 15) bytes += t.capacity() + 1;
  return bytes;
}

std::size_t delta_rows::heap_bytes() const {
  auto bytes =
      traffic.heap_bytes() + commerce.heap_bytes() + names.heap_bytes() + operations.heap_bytes();
  for (const auto& e : traffic.entries()) bytes += e.row.visitors.heap_bytes();
  for (const auto& e : commerce.entries()) bytes += e.row.customers.heap_bytes();
  for (const auto& e : names.entries()) bytes += e.row.visitors.heap_bytes();
  for (const auto& e : operations.entries()) bytes += e.row.lag.heap_bytes();
  return bytes;
}

bucket_time wider_begin(bucket_finder& finder, bucket_time begin, granularity width) {
  const auto begins = finder.find(begin);
  return width == granularity::minute ? begin
         : width == granularity::hour ? begins.hour
                                      : begins.day;
}

namespace {

template <class Delta, class Row>
void roll_up(const row_table<Delta>& finest, bucket_finder& finder, row_table<Row>& into) {
  for (const auto& e : finest.entries())
    for (const auto width : {granularity::minute, granularity::hour, granularity::day})
      if (width >= e.width())
        merge(into.at(wider_begin(finder, e.begin(), width), width, e.tag()), e.row);
}

}  // namespace

total_rows rolled_up(const delta_rows& finest, const zone& reporting_zone) {
  bucket_finder finder{reporting_zone};
  total_rows all;
  roll_up(finest.traffic, finder, all.traffic);
  roll_up(finest.commerce, finder, all.commerce);
  roll_up(finest.names, finder, all.names);
  roll_up(finest.operations, finder, all.operations);
  return all;
}

void merchant_state::set_reporting(const zone& z, std::string_view given_name,
                                   std::string_view currency_code) {
  reporting_zone = &z;
  zone_name = given_name;
  currency = currency_code;
  finder = bucket_finder{z};
}

bucket_time merchant_state::minute_horizon() const {
  return std::chrono::floor<std::chrono::seconds>(time_from_ms(newest_ms)) - minute_rows_kept;
}

std::size_t merchant_state::heap_bytes() const {
  std::size_t bytes = names.heap_bytes() + currencies.heap_bytes() + visits.heap_bytes() +
                      ids.heap_bytes() + texts.heap_bytes() + deltas.heap_bytes();
  for (const auto& r : rejects) bytes += sizeof r + r.bytes.capacity();
  return bytes;
}

}  // namespace tally
