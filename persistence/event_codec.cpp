#include "persistence/event_codec.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <msgpack/pack.hpp>

#include "domain/ensure.hpp"
#include "domain/msgpack_reader.hpp"

namespace tally::persistence {
namespace {

constexpr std::array<std::string_view, 5> standard_names{"page_view", "add_to_cart", "checkout",
                                                         "purchase", "refund"};

// A null entry is a key that is no text.
constexpr std::array<std::string_view event::*, 29> event_texts{
    &event::merchant, nullptr,          &event::id,      nullptr,         nullptr,
    nullptr,          nullptr,          nullptr,         nullptr,         nullptr,
    &event::visitor,  &event::user,     &event::session, &event::url,     &event::referrer,
    &event::title,    &event::language, &event::screen,  &event::country, &event::device,
    &event::browser,  &event::os,       &event::agent,   &event::network, nullptr,
    nullptr,          nullptr,          nullptr,         nullptr};
constexpr std::array order_texts{&event_order::id, &event_order::currency, &event_order::coupon,
                                 &event_order::payment_method, &event_order::sales_channel};
constexpr std::array order_amounts{&event_order::discount, &event_order::tax,
                                   &event_order::shipping, &event_order::total,
                                   &event_order::subtotal, &event_order::amount};
constexpr std::array item_texts{&order_item::id,       &order_item::sku,   &order_item::name,
                                &order_item::category, &order_item::brand, &order_item::variant};

constexpr unsigned key_kind = 1, key_origin = 3, key_form = 4, key_sent_at = 5, key_sent_text = 6,
                   key_at = 7, key_received_at = 8, key_name = 9, key_props = 24, key_extra = 25,
                   key_raw = 26, key_count = 27, key_order = 28;
constexpr unsigned key_amounts = 5, key_items = 11;
constexpr unsigned key_quantity = 6, key_price = 7;
constexpr std::int64_t one = 1'000'000;

// Differences of times wrap instead of overflowing, so that any two values survive.
std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::uint32_t size32(std::size_t size) {
  ensure(size <= std::numeric_limits<std::uint32_t>::max(), "text of an event over 4 GiB");
  return static_cast<std::uint32_t>(size);
}

// What msgpack's packer writes to.
struct string_stream {
  std::string& out;
  void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
};

// A map's size precedes its fields, so the fields are walked twice: counted, then packed.
struct field_counter {
  std::uint32_t fields = 0;
  void number(unsigned, std::int64_t v, std::int64_t absent) { fields += v != absent; }
  void amount(unsigned, const std::optional<money>& v) { fields += v.has_value(); }
  void text(unsigned, std::string_view v) { fields += !v.empty(); }
  void name(unsigned, std::string_view v) { fields += !v.empty(); }
  void binary(unsigned, std::string_view v) { fields += !v.empty(); }
  void packed(unsigned, std::string_view v) { fields += !v.empty(); }
  void items(unsigned, const std::vector<order_item>& v) { fields += !v.empty(); }
  void order(unsigned, const event_order&) { ++fields; }
};

struct field_packer {
  string_stream& stream;
  msgpack::packer<string_stream>& packer;

  void number(unsigned key, std::int64_t v, std::int64_t absent) {
    if (v == absent) return;
    packer.pack_unsigned_int(key);
    packer.pack_int64(v);
  }
  void amount(unsigned key, const std::optional<money>& v) {
    if (!v) return;
    packer.pack_unsigned_int(key);
    packer.pack_int64(v->millionths);
  }
  void text(unsigned key, std::string_view v) {
    if (v.empty()) return;
    packer.pack_unsigned_int(key);
    packer.pack_str(size32(v.size()));
    packer.pack_str_body(v.data(), size32(v.size()));
  }
  void name(unsigned key, std::string_view v) {
    const auto* standard = std::find(standard_names.begin(), standard_names.end(), v);
    if (standard == standard_names.end()) return text(key, v);
    packer.pack_unsigned_int(key);
    packer.pack_unsigned_int(static_cast<unsigned>(standard - standard_names.begin()));
  }
  void binary(unsigned key, std::string_view v) {
    if (v.empty()) return;
    packer.pack_unsigned_int(key);
    packer.pack_bin(size32(v.size()));
    packer.pack_bin_body(v.data(), size32(v.size()));
  }
  void packed(unsigned key, std::string_view v) {
    if (v.empty()) return;
    packer.pack_unsigned_int(key);
    stream.write(v.data(), v.size());
  }
  void items(unsigned key, const std::vector<order_item>& v);
  void order(unsigned key, const event_order& v);

  template <class Value>
  void map(const Value& v);
};

template <class Sink>
void walk(const order_item& item, Sink& sink) {
  for (unsigned i = 0; i < item_texts.size(); ++i) sink.text(i, item.*item_texts[i]);
  sink.number(key_quantity, item.quantity.millionths, one);
  sink.number(key_price, item.price.millionths, 0);
}

template <class Sink>
void walk(const event_order& order, Sink& sink) {
  for (unsigned i = 0; i < order_texts.size(); ++i) sink.text(i, order.*order_texts[i]);
  for (unsigned i = 0; i < order_amounts.size(); ++i) {
    sink.amount(key_amounts + i, order.*order_amounts[i]);
  }
  sink.items(key_items, order.items);
}

template <class Sink>
void walk(const event& e, Sink& sink) {
  const auto at = to_ms(e.at);
  sink.text(0, e.merchant);
  sink.number(key_kind, static_cast<std::int64_t>(e.kind), 0);
  sink.text(2, e.id);
  sink.number(key_origin, static_cast<std::int64_t>(e.origin), 0);
  sink.number(key_form, static_cast<std::int64_t>(e.sent.form), 0);
  sink.number(key_sent_at, to_ms(e.sent.at), e.sent.form == time_form::none ? 0 : at);
  sink.text(key_sent_text, e.sent.text);
  sink.number(key_at, at, 0);
  sink.number(key_received_at, minus(to_ms(e.received_at), at), 0);
  sink.name(key_name, e.name);
  for (unsigned i = key_name + 1; i < key_props; ++i) sink.text(i, e.*event_texts[i]);
  sink.packed(key_props, e.props);
  sink.packed(key_extra, e.extra);
  sink.binary(key_raw, e.raw);
  sink.number(key_count, e.count, 1);
  if (e.has_order) sink.order(key_order, e.order);
}

template <class Value>
void field_packer::map(const Value& v) {
  field_counter counter;
  walk(v, counter);
  packer.pack_map(counter.fields);
  walk(v, *this);
}

void field_packer::items(unsigned key, const std::vector<order_item>& v) {
  if (v.empty()) return;
  packer.pack_unsigned_int(key);
  packer.pack_array(size32(v.size()));
  for (const auto& item : v) map(item);
}

void field_packer::order(unsigned key, const event_order& v) {
  packer.pack_unsigned_int(key);
  map(v);
}

// Calls f(key) for every pair of a map; f reads the value. Keys must ascend, so none is there
// twice.
template <class F>
bool read_map(msgpack_reader& in, F&& f) {
  std::uint32_t pairs = 0;
  if (!in.map(pairs)) return false;
  std::uint64_t smallest = 0;
  for (; pairs > 0; --pairs) {
    std::uint64_t key = 0;
    if (!in.number(key) || key < smallest || key > 0xffff'ffff) return false;
    smallest = key + 1;
    if (!f(key)) return false;
  }
  return true;
}

bool read_amount(msgpack_reader& in, money& v) {
  return in.integer(v.millionths);
}

template <class Enum>
bool read_enum(msgpack_reader& in, Enum& v, Enum largest) {
  std::uint64_t number = 0;
  if (!in.number(number) || number > static_cast<std::uint64_t>(largest)) return false;
  v = static_cast<Enum>(number);
  return true;
}

bool read_item(msgpack_reader& in, order_item& item) {
  return read_map(in, [&](std::uint64_t key) {
    if (key < item_texts.size()) return in.text(item.*item_texts[key]);
    if (key == key_quantity) return read_amount(in, item.quantity);
    if (key == key_price) return read_amount(in, item.price);
    return in.skip();
  });
}

bool read_items(msgpack_reader& in, std::vector<order_item>& items) {
  std::uint32_t count = 0;
  if (!in.array(count) || count > in.left()) return false;
  for (; count > 0; --count) {
    if (!read_item(in, items.emplace_back())) return false;
  }
  return true;
}

bool read_order(msgpack_reader& in, event_order& order) {
  return read_map(in, [&](std::uint64_t key) {
    if (key < order_texts.size()) return in.text(order.*order_texts[key]);
    if (key < key_items)
      return read_amount(in, (order.*order_amounts[key - key_amounts]).emplace());
    if (key == key_items) return read_items(in, order.items);
    return in.skip();
  });
}

bool read_name(msgpack_reader& in, std::string_view& name) {
  auto text_in = in;
  if (text_in.text(name)) {
    in = text_in;
    return true;
  }
  std::uint64_t number = 0;
  if (!in.number(number) || number >= standard_names.size()) return false;
  name = standard_names[number];
  return true;
}

// Times as written: they only get their meaning when all of them are known.
struct written_times {
  std::optional<std::int64_t> sent_at;
  std::int64_t at = 0, received_after = 0;
};

bool read_other(msgpack_reader& in, std::uint64_t key, event& e, written_times& times) {
  switch (key) {
    case key_kind:
      return read_enum(in, e.kind, event_kind::registry);
    case key_origin:
      return read_enum(in, e.origin, id_origin::minted);
    case key_form:
      return read_enum(in, e.sent.form, time_form::other_text);
    case key_sent_at:
      return in.integer(times.sent_at.emplace());
    case key_sent_text:
      return in.text(e.sent.text);
    case key_at:
      return in.integer(times.at);
    case key_received_at:
      return in.integer(times.received_after);
    case key_name:
      return read_name(in, e.name);
    case key_props:
      return in.whole_map(e.props);
    case key_extra:
      return in.whole_map(e.extra);
    case key_raw:
      return in.binary(e.raw);
    case key_count: {
      std::uint64_t count = 0;
      if (!in.number(count) || count > std::numeric_limits<std::uint32_t>::max()) return false;
      e.count = static_cast<std::uint32_t>(count);
      return true;
    }
    case key_order:
      e.has_order = true;
      return read_order(in, e.order);
    default:
      return in.skip();
  }
}

/// The keys of a map that whole_map() has found whole; those that are no text are passed over.
void read_keys(std::string_view map, std::vector<std::string_view>& keys) {
  msgpack_reader in{map};
  std::uint32_t pairs = 0;
  if (!in.map(pairs)) return;
  for (; pairs > 0; --pairs) {
    std::string_view key;
    auto text_in = in;
    if (text_in.text(key)) {
      keys.push_back(key);
      in = text_in;
    } else if (!in.skip()) {
      return;
    }
    if (!in.skip()) return;
  }
}

}  // namespace

void encode_event(const event& e, std::string& out) {
  string_stream stream{out};
  msgpack::packer<string_stream> packer{stream};
  field_packer{stream, packer}.map(e);
}

bool decode_event(std::string_view bytes, event& into) {
  into.clear();
  msgpack_reader in{bytes};
  written_times times;
  const bool whole = read_map(in, [&](std::uint64_t key) {
    if (key < event_texts.size() && event_texts[key] != nullptr) {
      return in.text(into.*event_texts[key]);
    }
    return read_other(in, key, into, times);
  });
  if (!whole || !in.at_end()) return false;
  if (!into.props.empty()) read_keys(into.props, into.property_keys);
  if (!into.extra.empty()) read_keys(into.extra, into.property_keys);
  into.at = time_from_ms(times.at);
  into.received_at = time_from_ms(plus(times.at, times.received_after));
  into.sent.at =
      time_from_ms(times.sent_at.value_or(into.sent.form == time_form::none ? 0 : times.at));
  return true;
}

std::string_view peek_merchant(std::string_view bytes) {
  msgpack_reader in{bytes};
  std::uint32_t pairs = 0;
  std::uint64_t key = 0;
  std::string_view merchant;
  if (!in.map(pairs) || pairs == 0 || !in.number(key) || key != 0 || !in.text(merchant)) return {};
  return merchant;
}

event_kind peek_kind(std::string_view bytes) {
  msgpack_reader in{bytes};
  std::uint32_t pairs = 0;
  std::uint64_t key = 0, kind = 0;
  std::string_view merchant;
  if (!in.map(pairs) || pairs < 2 || !in.number(key) || key != 0 || !in.text(merchant)) return {};
  if (!in.number(key) || key != key_kind || !in.number(kind)) return event_kind::data;
  return kind <= static_cast<std::uint64_t>(event_kind::registry) ? static_cast<event_kind>(kind)
                                                                  : event_kind::data;
}

bool is_whole_map(std::string_view bytes) {
  msgpack_reader in{bytes};
  std::string_view map;
  return in.whole_map(map) && in.at_end();
}

}  // namespace tally::persistence
