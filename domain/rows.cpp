#include "domain/rows.hpp"

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tally {
namespace {

constexpr std::uint8_t row_version = 1;

// Counters wrap instead of overflowing: bytes from a disk must not be able to end the process.
void add(std::int64_t& into, std::int64_t from) {
  into = static_cast<std::int64_t>(static_cast<std::uint64_t>(into) +
                                   static_cast<std::uint64_t>(from));
}
void add(int128& into, int128 from) {
  into = static_cast<int128>(static_cast<uint128>(into) + static_cast<uint128>(from));
}
void add(unique_set& into, const unique_set& from) {
  into.merge(from);
}
void add(lag_histogram& into, const lag_histogram& from) {
  into.merge(from);
}

void add(reason_counts& into, const reason_counts& from) {
  for (const auto& [name, count] : from.all()) add(into[name], count);
}

void write(byte_writer& out, std::int64_t v) {
  out.zigzag(v);
}
void write(byte_writer& out, int128 v) {
  out.zigzag(v);
}
void write(byte_writer& out, const unique_set& v) {
  v.encode(out);
}
void write(byte_writer& out, const lag_histogram& v) {
  v.encode(out);
}
void write(byte_writer& out, const reason_counts& v) {
  out.varint(v.all().size());
  for (const auto& [name, count] : v.all()) {
    out.text(name);
    out.zigzag(count);
  }
}

void read(byte_reader& in, std::int64_t& v) {
  const auto wide = in.zigzag();
  v = static_cast<std::int64_t>(wide);
  if (v != wide) in.fail();
}
void read(byte_reader& in, int128& v) {
  v = in.zigzag();
}
void read(byte_reader& in, unique_set& v) {
  v = unique_set::decode(in);
}
void read(byte_reader& in, lag_histogram& v) {
  v = lag_histogram::decode(in);
}
void read(byte_reader& in, reason_counts& v) {
  const auto size = in.varint();
  for (std::uint64_t i = 0; i < size && in.ok(); ++i) {
    const auto name = in.text();
    std::int64_t count = 0;
    read(in, count);
    if (!v.all().empty() && name <= v.all().rbegin()->first) in.fail();
    if (in.ok()) v[name] = count;
  }
}

// The fields of a row in the order of declaration, which is also the order of the byte form.
template <class Row, class Kind>
concept row_of = std::same_as<std::remove_const_t<Row>, Kind>;

auto fields(row_of<traffic_row> auto& row) {
  return std::tie(row.events, row.pageviews, row.visits, row.bounces, row.visit_pageviews,
                  row.visit_ms, row.with_cart, row.with_checkout, row.with_purchase,
                  row.cart_then_checkout, row.completed, row.abandoned, row.visitors);
}
auto fields(const traffic_delta& row) {
  return std::tie(row.events, row.pageviews, row.visits, row.bounces, row.visit_pageviews,
                  row.visit_ms, row.with_cart, row.with_checkout, row.with_purchase,
                  row.cart_then_checkout, row.completed, row.abandoned, row.visitors);
}
auto fields(row_of<commerce_row> auto& row) {
  return std::tie(row.orders, row.refund_events, row.units, row.gross_sales, row.discounts,
                  row.refunds, row.tax, row.shipping, row.customers);
}
auto fields(row_of<name_row> auto& row) {
  return std::tie(row.events, row.visitors);
}
auto fields(const name_delta& row) {
  return std::tie(row.events, row.visitors);
}
auto fields(row_of<operations_row> auto& row) {
  return std::tie(row.accepted, row.duplicate, row.late, row.rejected, row.filtered, row.lag);
}

template <class Row, class Part>
void merge_row(Row& into, const Part& from) {
  const auto to = fields(into);
  const auto add_all = [&]<std::size_t... I>(const auto& other, std::index_sequence<I...>) {
    (add(std::get<I>(to), std::get<I>(other)), ...);
  };
  add_all(fields(from), std::make_index_sequence<std::tuple_size_v<decltype(to)>>{});
}

template <class Row>
void encode_row(byte_writer& out, const Row& row) {
  out.u8(row_version);
  std::apply([&](const auto&... field) { (write(out, field), ...); }, fields(row));
}

template <class Row>
void decode_row(byte_reader& in, Row& row) {
  row = {};
  if (in.u8() != row_version) in.fail();
  std::apply([&](auto&... field) { (read(in, field), ...); }, fields(row));
}

template <class Row>
bool decode_whole(std::string_view bytes, Row& row) {
  byte_reader in{bytes};
  if (!bytes.empty()) decode(in, row);
  return in.ok() && in.at_end();
}

template <class Row>
bool merge_bytes(std::string& into, std::string_view from) {
  Row sum, more;
  if (!decode_whole(into, sum) || !decode_whole(from, more)) return false;
  merge(sum, more);
  std::string bytes;
  byte_writer out{bytes};
  encode(out, sum);
  into = std::move(bytes);
  return true;
}

}  // namespace

void merge(traffic_row& into, const traffic_row& from) {
  merge_row(into, from);
}
void merge(commerce_row& into, const commerce_row& from) {
  merge_row(into, from);
}
void merge(name_row& into, const name_row& from) {
  merge_row(into, from);
}
void merge(operations_row& into, const operations_row& from) {
  merge_row(into, from);
}

void merge(traffic_row& into, const traffic_delta& from) {
  merge_row(into, from);
}
void merge(name_row& into, const name_delta& from) {
  merge_row(into, from);
}

void encode(byte_writer& out, const traffic_row& row) {
  encode_row(out, row);
}
void encode(byte_writer& out, const commerce_row& row) {
  encode_row(out, row);
}
void encode(byte_writer& out, const name_row& row) {
  encode_row(out, row);
}
void encode(byte_writer& out, const operations_row& row) {
  encode_row(out, row);
}

void decode(byte_reader& in, traffic_row& row) {
  decode_row(in, row);
}
void decode(byte_reader& in, commerce_row& row) {
  decode_row(in, row);
}
void decode(byte_reader& in, name_row& row) {
  decode_row(in, row);
}
void decode(byte_reader& in, operations_row& row) {
  decode_row(in, row);
}

bool merge_encoded(row_kind kind, std::string& into, std::string_view from) {
  switch (kind) {
    case row_kind::traffic:
      return merge_bytes<traffic_row>(into, from);
    case row_kind::commerce:
      return merge_bytes<commerce_row>(into, from);
    case row_kind::name:
      return merge_bytes<name_row>(into, from);
    case row_kind::operations:
      return merge_bytes<operations_row>(into, from);
  }
  return false;
}

}  // namespace tally
