#include "persistence/event_codec.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <msgpack.hpp>
#include <random>

#include "persistence/chunk.hpp"
#include "tests/golden.hpp"

namespace tally::persistence {
namespace {

using namespace std::string_view_literals;

constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
constexpr auto highest = std::numeric_limits<std::int64_t>::max();
constexpr auto props_map = "\x81\xa4plan\xa3pro"sv;
constexpr auto nested_map =
    "\x82\xa1x\x93\x01\xc0\x81\xa1y\xcb\x3f\xf0\0\0\0\0\0\0\xa1z\xc4\x02\0\1"sv;

std::string encoded(const event& e) {
  std::string bytes;
  encode_event(e, bytes);
  return bytes;
}

void expect_same_item(const order_item& a, const order_item& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.sku, b.sku);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.category, b.category);
  EXPECT_EQ(a.brand, b.brand);
  EXPECT_EQ(a.variant, b.variant);
  EXPECT_EQ(a.quantity, b.quantity);
  EXPECT_EQ(a.price, b.price);
}

void expect_same_order(const event_order& a, const event_order& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.currency, b.currency);
  EXPECT_EQ(a.coupon, b.coupon);
  EXPECT_EQ(a.payment_method, b.payment_method);
  EXPECT_EQ(a.sales_channel, b.sales_channel);
  EXPECT_EQ(a.discount, b.discount);
  EXPECT_EQ(a.tax, b.tax);
  EXPECT_EQ(a.shipping, b.shipping);
  EXPECT_EQ(a.total, b.total);
  EXPECT_EQ(a.subtotal, b.subtotal);
  EXPECT_EQ(a.amount, b.amount);
  ASSERT_EQ(a.items.size(), b.items.size());
  for (std::size_t i = 0; i < a.items.size(); ++i) expect_same_item(a.items[i], b.items[i]);
}

void expect_same(const event& a, const event& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.origin, b.origin);
  EXPECT_EQ(a.sent.form, b.sent.form);
  EXPECT_EQ(to_ms(a.sent.at), to_ms(b.sent.at));
  EXPECT_EQ(a.sent.text, b.sent.text);
  EXPECT_EQ(to_ms(a.at), to_ms(b.at));
  EXPECT_EQ(to_ms(a.received_at), to_ms(b.received_at));
  for (auto text :
       {&event::merchant, &event::id,      &event::name,     &event::visitor, &event::user,
        &event::session,  &event::url,     &event::referrer, &event::title,   &event::language,
        &event::screen,   &event::country, &event::device,   &event::browser, &event::os,
        &event::agent,    &event::network, &event::props,    &event::extra,   &event::raw}) {
    EXPECT_EQ(a.*text, b.*text);
  }
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.has_order, b.has_order);
  expect_same_order(a.order, b.order);
}

void expect_round_trip(const event& e) {
  const auto bytes = encoded(e);
  event back;
  ASSERT_TRUE(decode_event(bytes, back));
  expect_same(e, back);
}

event page_view() {
  event e;
  e.merchant = "shop-1";
  e.id = "0192f0c1-6b5e-7a10-8000-3c5a1f0e9d11";
  e.sent = {time_form::millis_z, time_from_ms(1'291'191'960'000), {}};
  e.at = e.sent.at;
  e.received_at = e.at + std::chrono::milliseconds{180};
  e.name = "page_view";
  e.visitor = "v-4711";
  e.url = "https://shop.example/p/17?utm_source=mail";
  e.referrer = "https://search.example/";
  e.device = "mobile";
  return e;
}

event purchase() {
  event e = page_view();
  e.name = "purchase";
  e.has_order = true;
  e.order.id = "536365";
  e.order.currency = "GBP";
  e.order.total = money{139'120'000};
  e.order.tax = money{0};
  e.order.items.resize(2);
  e.order.items[0].sku = "85123A";
  e.order.items[0].quantity = money{6'000'000};
  e.order.items[0].price = money{2'550'000};
  return e;
}

event everything() {
  event e = purchase();
  e.kind = event_kind::rejected;
  e.origin = id_origin::minted;
  e.sent = {time_form::other_text, time_from_ms(-5), "1969-12-31 23:59:59.995+00:00"};
  e.user = "u";
  e.session = "s";
  e.title = "Tasse \xc3\xbc";
  e.language = "de-DE";
  e.screen = "390x844";
  e.country = "DE";
  e.browser = "Safari 17";
  e.os = "iOS 17";
  e.agent = "Mozilla/5.0";
  e.network = "192.0.2.0/24";
  e.props = props_map;
  e.extra = nested_map;
  e.raw = "\0\xff{\"broken\""sv;
  e.count = 4'000'000'000;
  e.order.coupon = "SPRING";
  e.order.payment_method = "card";
  e.order.sales_channel = "web";
  e.order.discount = money{-1};
  e.order.shipping = money{lowest};
  e.order.subtotal = money{highest};
  e.order.amount = money{128};
  e.order.items[1] = {"i", "k", "n", "c", "b", "v", money{0}, money{-2'500'000}};
  return e;
}

TEST(event_codec, an_empty_event_takes_one_byte_and_comes_back) {
  EXPECT_EQ(encoded(event{}), "\x80");
  expect_round_trip(event{});
}

TEST(event_codec, every_field_comes_back_as_it_was) {
  expect_round_trip(page_view());
  expect_round_trip(purchase());
  expect_round_trip(everything());
}

TEST(event_codec, an_object_used_before_keeps_nothing_of_the_last_event) {
  const auto first = encoded(everything());
  const auto second = encoded(page_view());
  event e;
  ASSERT_TRUE(decode_event(first, e));
  ASSERT_TRUE(decode_event(second, e));
  expect_same(e, page_view());
}

TEST(event_codec, any_three_times_come_back_whatever_their_distance) {
  const std::int64_t times[] = {0, 1, -1, 1'291'191'960'000, lowest, highest};
  for (const auto form : {time_form::none, time_form::millis_z, time_form::other_text}) {
    for (const auto sent : times) {
      for (const auto at : times) {
        for (const auto received : times) {
          event e;
          e.sent = {form, time_from_ms(sent), {}};
          e.at = time_from_ms(at);
          e.received_at = time_from_ms(received);
          expect_round_trip(e);
        }
      }
    }
  }
}

TEST(event_codec, texts_of_every_length_form_come_back) {
  for (const std::size_t size : {1u, 31u, 32u, 255u, 256u, 65'535u, 65'536u, 200'000u}) {
    const std::string text(size, 'x');
    event e;
    e.url = text;
    e.raw = text;
    expect_round_trip(e);
  }
}

TEST(event_codec, many_items_come_back) {
  event e;
  e.has_order = true;
  e.order.items.resize(70'000);
  e.order.items.back().sku = "last";
  expect_round_trip(e);
}

TEST(event_codec, a_standard_name_takes_one_byte_and_a_custom_one_is_kept) {
  event e;
  e.name = "refund";
  EXPECT_EQ(encoded(e), "\x81\x09\x04");
  for (const auto* name : {"page_view", "add_to_cart", "checkout", "purchase", "refund",
                           "page_vieW", "wishlist", "4"}) {
    e.name = name;
    expect_round_trip(e);
  }
}

TEST(event_codec, the_merchant_is_read_without_the_rest) {
  const auto bytes = encoded(page_view());
  EXPECT_EQ(peek_merchant(bytes), "shop-1");
  EXPECT_EQ(peek_merchant(bytes.substr(0, 9)), "shop-1");
  EXPECT_EQ(peek_merchant(bytes.substr(0, 5)), "");
  EXPECT_EQ(peek_merchant(encoded(event{})), "");
  EXPECT_EQ(peek_merchant(""), "");
}

TEST(event_codec, texts_point_into_the_bytes) {
  const auto bytes = encoded(everything());
  event e;
  ASSERT_TRUE(decode_event(bytes, e));
  for (const auto text : {e.merchant, e.id, e.url, e.props, e.raw, e.order.coupon}) {
    EXPECT_GE(text.data(), bytes.data());
    EXPECT_LE(text.data() + text.size(), bytes.data() + bytes.size());
  }
}

TEST(event_codec, every_cut_and_every_trailing_byte_is_refused) {
  const auto bytes = encoded(everything());
  event e;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A heap copy of exactly that size lets the sanitizer see a read past the end.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(decode_event({cut.data(), cut.size()}, e)) << size;
  }
  EXPECT_FALSE(decode_event(bytes + '\0', e));
  EXPECT_FALSE(decode_event(bytes + bytes, e));
}

TEST(event_codec, malformed_bytes_are_refused) {
  const std::pair<const char*, std::string_view> cases[] = {
      {"no map", "\x01"sv},
      {"never used tag as key", "\x81\xc1\x01"sv},
      {"text as key", "\x81\xa1\x61\x01"sv},
      {"key twice", "\x82\x02\xa1\x61\x02\xa1\x62"sv},
      {"keys descending", "\x82\x0a\xa1\x61\x02\xa1\x62"sv},
      {"number for a text", "\x81\x00\x01"sv},
      {"bin for a text", "\x81\x00\xc4\x01\x61"sv},
      {"text for bin", "\x81\x1a\xa1\x61"sv},
      {"unknown kind", "\x81\x01\x06"sv},
      {"unknown origin", "\x81\x03\x02"sv},
      {"unknown time form", "\x81\x04\x05"sv},
      {"unknown standard name", "\x81\x09\x05"sv},
      {"negative count", "\x81\x1b\xff"sv},
      {"time over 63 bits", "\x81\x07\xcf\xff\xff\xff\xff\xff\xff\xff\xff"sv},
      {"props no map", "\x81\x18\x90"sv},
      {"props cut", "\x81\x18\x82\x01\x01"sv},
      {"never used tag in props", "\x81\x18\x81\x01\xc1"sv},
      {"order no map", "\x81\x1c\x01"sv},
      {"items no array", "\x81\x1c\x81\x0b\x80"sv},
      {"4 thousand million items", "\x81\x1c\x81\x0b\xdd\xff\xff\xff\xff\x80"sv},
      {"4 thousand million pairs", "\xdf\xff\xff\xff\xff\x02\xa1\x61"sv},
      {"text of 4 GiB", "\x81\x00\xdb\xff\xff\xff\xff\x61"sv},
  };
  event e;
  for (const auto& [what, bytes] : cases) {
    EXPECT_FALSE(decode_event(bytes, e)) << what;
  }
}

TEST(event_codec, unknown_keys_are_skipped_whatever_they_hold) {
  const std::string_view values[] = {"\x05"sv,
                                     "\xff"sv,
                                     "\xc0"sv,
                                     "\xc3"sv,
                                     "\xcc\xff"sv,
                                     "\xcd\1\2"sv,
                                     "\xce\1\2\3\4"sv,
                                     "\xcf\1\2\3\4\5\6\7\x08"sv,
                                     "\xd0\1"sv,
                                     "\xd1\1\2"sv,
                                     "\xd2\1\2\3\4"sv,
                                     "\xd3\1\2\3\4\5\6\7\x08"sv,
                                     "\xca\1\2\3\4"sv,
                                     "\xcb\1\2\3\4\5\6\7\x08"sv,
                                     "\xa1x"sv,
                                     "\xd9\1x"sv,
                                     "\xda\0\1x"sv,
                                     "\xdb\0\0\0\1x"sv,
                                     "\xc4\1x"sv,
                                     "\xc5\0\1x"sv,
                                     "\xc6\0\0\0\1x"sv,
                                     "\xc7\1\5x"sv,
                                     "\xc8\0\1\5x"sv,
                                     "\xc9\0\0\0\1\5x"sv,
                                     "\xd4\1x"sv,
                                     "\xd5\1xx"sv,
                                     "\xd6\1xxxx"sv,
                                     "\xd7\1xxxxxxxx"sv,
                                     "\xd8\1xxxxxxxxxxxxxxxx"sv,
                                     "\x92\x01\x02"sv,
                                     "\xdc\0\1\x01"sv,
                                     "\xdd\0\0\0\1\x01"sv,
                                     "\x81\xa1x\x01"sv,
                                     "\xde\0\1\x01\x02"sv,
                                     "\xdf\0\0\0\1\x01\x02"sv};
  event e;
  for (const auto value : values) {
    SCOPED_TRACE(::testing::PrintToString(value));
    const auto skipped = std::string{value};
    const auto in_event = "\x82\x02\xa1\x61\x64" + skipped;
    EXPECT_TRUE(decode_event(in_event, e));
    EXPECT_EQ(e.id, "a");
    const auto in_order = "\x81\x1c\x82\x01\xa3\x45\x55\x52\x0c" + skipped;
    EXPECT_TRUE(decode_event(in_order, e));
    EXPECT_EQ(e.order.currency, "EUR");
    const auto in_item = "\x81\x1c\x81\x0b\x91\x82\x01\xa1\x6b\x08" + skipped;
    EXPECT_TRUE(decode_event(in_item, e));
    EXPECT_EQ(e.order.items.at(0).sku, "k");
    for (std::size_t size = 0; size < skipped.size(); ++size) {
      EXPECT_FALSE(decode_event("\x82\x02\xa1\x61\x64" + skipped.substr(0, size), e));
    }
  }
}

TEST(event_codec, a_million_open_arrays_are_skipped_or_refused_without_a_stack) {
  event e;
  const std::string deep(1'000'000, '\x91');
  EXPECT_TRUE(decode_event("\x81\x64" + deep + "\x01", e));
  EXPECT_FALSE(decode_event("\x81\x64" + deep, e));
  const auto in_props = "\x81\x18\x81\x01" + deep + "\x01";
  EXPECT_TRUE(decode_event(in_props, e));
  EXPECT_EQ(e.props.size(), deep.size() + 3);
}

TEST(is_whole_map, takes_one_map_and_nothing_else) {
  EXPECT_TRUE(is_whole_map("\x80"));
  EXPECT_TRUE(is_whole_map(nested_map));
  EXPECT_FALSE(is_whole_map(""));
  EXPECT_FALSE(is_whole_map("\x90"));
  EXPECT_FALSE(is_whole_map("\x80\x80"));
  EXPECT_FALSE(is_whole_map(nested_map.substr(0, nested_map.size() - 1)));
}

TEST(event_codec, damaged_bytes_never_read_outside) {
  std::mt19937 random{7};
  const auto bytes = encoded(everything());
  event e;
  int readable = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::vector<char> damaged(bytes.begin(), bytes.end());
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    readable += decode_event({damaged.data(), damaged.size()}, e);
  }
  EXPECT_GT(readable, 0);
}

// The other reader: msgpack-cxx itself.
class by_msgpack {
 public:
  explicit by_msgpack(const std::string& bytes)
      : handle_{msgpack::unpack(bytes.data(), bytes.size())}, map_{pairs(handle_.get())} {}
  static std::map<unsigned, msgpack::object> pairs(const msgpack::object& o) {
    return o.as<std::map<unsigned, msgpack::object>>();
  }
  [[nodiscard]] const msgpack::object& at(unsigned key) const { return map_.at(key); }
  [[nodiscard]] std::size_t size() const { return map_.size(); }

 private:
  msgpack::object_handle handle_;
  std::map<unsigned, msgpack::object> map_;
};

TEST(event_codec, msgpack_cxx_reads_the_same) {
  const auto e = everything();
  const by_msgpack m{encoded(e)};
  EXPECT_EQ(m.size(), 29);
  EXPECT_EQ(m.at(0).as<std::string>(), e.merchant);
  EXPECT_EQ(m.at(1).as<int>(), 1);
  EXPECT_EQ(m.at(3).as<int>(), 1);
  EXPECT_EQ(m.at(4).as<int>(), 4);
  EXPECT_EQ(m.at(5).as<std::int64_t>(), -5);
  EXPECT_EQ(m.at(6).as<std::string>(), e.sent.text);
  EXPECT_EQ(m.at(7).as<std::int64_t>(), 1'291'191'960'000);
  EXPECT_EQ(m.at(8).as<int>(), 180);
  EXPECT_EQ(m.at(9).as<int>(), 3);
  EXPECT_EQ(m.at(10).as<std::string>(), e.visitor);
  EXPECT_EQ(m.at(23).as<std::string>(), e.network);
  EXPECT_EQ(m.at(24).via.map.size, 1);
  EXPECT_EQ(m.at(25).via.map.size, 2);
  EXPECT_EQ(m.at(26).type, msgpack::type::BIN);
  EXPECT_EQ(m.at(27).as<std::uint32_t>(), 4'000'000'000);
  const auto order = by_msgpack::pairs(m.at(28));
  EXPECT_EQ(order.size(), 12);
  EXPECT_EQ(order.at(4).as<std::string>(), "web");
  EXPECT_EQ(order.at(7).as<std::int64_t>(), lowest);
  EXPECT_EQ(order.at(9).as<std::int64_t>(), highest);
  const auto items = order.at(11).as<std::vector<std::map<unsigned, msgpack::object>>>();
  ASSERT_EQ(items.size(), 2);
  EXPECT_EQ(items[0].size(), 3);
  EXPECT_EQ(items[0].at(6).as<int>(), 6'000'000);
  EXPECT_EQ(items[1].at(7).as<int>(), -2'500'000);
}

TEST(event_codec, events_of_the_first_release_stay_readable) {
  const event events[] = {event{}, page_view(), purchase(), everything()};
  std::string today;
  byte_writer out{today};
  for (const auto& e : events) out.text(encoded(e));
  const auto kept = testing::golden("persistence/golden/events_v1.bin", today);
  EXPECT_EQ(kept, today);
  std::uint32_t seen = 0;
  EXPECT_TRUE(for_each_event(kept, 4, [&](std::uint32_t i, std::string_view bytes) {
    event back;
    ASSERT_TRUE(decode_event(bytes, back));
    expect_same(back, events[i]);
    ++seen;
  }));
  EXPECT_EQ(seen, 4);
}

TEST(decode_event, gives_the_keys_of_properties_and_of_unknown_fields) {
  const std::string props{
      "\x83\xa1"
      "a\x01\xa1"
      "b\x81\xa1"
      "c\x02\x07\x01",
      12};
  const std::string extra{
      "\x81\xa3"
      "new\xc0",
      6};
  event e;
  e.merchant = "m";
  e.name = "n";
  e.props = props;
  e.extra = extra;
  std::string bytes;
  encode_event(e, bytes);
  event decoded;
  ASSERT_TRUE(decode_event(bytes, decoded));
  EXPECT_EQ(decoded.property_keys, (std::vector<std::string_view>{"a", "b", "new"}));
  e.props = e.extra = {};
  bytes.clear();
  encode_event(e, bytes);
  ASSERT_TRUE(decode_event(bytes, decoded));
  EXPECT_TRUE(decoded.property_keys.empty());
}

}  // namespace
}  // namespace tally::persistence
