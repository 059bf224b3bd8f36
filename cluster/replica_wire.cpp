#include "cluster/replica_wire.hpp"

#include <limits>

#include "domain/bytes.hpp"
#include "domain/ensure.hpp"
#include "persistence/crc32c.hpp"

namespace tally::cluster {
namespace {

constexpr std::size_t head_bytes = 39;      // of a message, with its kind
constexpr std::size_t position_bytes = 33;  // at most: two varints, chain, zigzag
constexpr std::size_t number_bytes = 10;    // a varint at most
constexpr std::size_t chunk_bytes = 42;     // header and chain
constexpr std::size_t copy_bytes = 21;      // at most

failure corrupt(std::string why) {
  return {errc::corrupt_record, "replication frame: " + std::move(why)};
}

struct writer : byte_writer {
  using byte_writer::byte_writer;

  void id(const replica_id& v) {
    u64be(v.high);
    u64be(v.low);
  }
  void time(event_time v) { zigzag(to_ms(v)); }
  void time(steady_time v) { zigzag(v.count()); }
  void position(const log_position& v) {
    varint(v.offset);
    varint(v.epoch);
    u64be(v.chain);
    time(v.stamped_at);
  }
  void chunk(const log_chunk& v) {
    ensure(v.body != nullptr, "a chunk is sent without its body");
    ensure(v.body->payload.size() == v.header.size, "a chunk's body is not of its header");
    write_fields(*this, v.header);
    u64be(v.header.chain);
    raw(v.body->payload);
  }
  void config(const shard_config& v) {
    u64be(v.cluster);
    varint(v.version);
    varint(v.epoch);
    id(v.leader);
    u64be(v.incarnation);
    varint(v.in_sync.size());
    for (const auto& each : v.in_sync) id(each);
    varint(v.copies.size());
    for (const auto& copy : v.copies) {
      id(copy.id);
      varint(copy.node.value);
    }
  }

  void body(const append_message& v) {
    varint(v.config_version);
    position(v.prev);
    varint(v.end);
    varint(v.commit);
    varint(v.acked);
    time(v.sent_at);
    varint(v.chunks.size());
    for (const auto& each : v.chunks) chunk(each);
  }
  void body(const ack_message& v) {
    varint(v.match);
    time(v.sent_at);
    time(v.clock);
  }
  void body(const nack_message& v) {
    position(v.hint);
    time(v.sent_at);
  }
  void body(const stale_message&) {}
  void body(const handover_message& v) { config(v.config); }
  void body(const pull_message& v) { varint(v.end); }
  void body(const copy_needed_message& v) { position(v.start); }
  void body(const join_message& v) { varint(v.node.value); }
  void body(const leave_message&) {}
};

struct reader : byte_reader {
  using byte_reader::byte_reader;

  replica_id id() {
    const auto high = u64be();
    return {high, u64be()};
  }
  template <class Number>
  Number number() {
    const auto v = varint();
    if (v > std::numeric_limits<Number>::max()) return fail();
    return static_cast<Number>(v);
  }
  std::int64_t signed_number() {
    const auto v = zigzag();
    if (v != static_cast<std::int64_t>(v)) return fail();
    return static_cast<std::int64_t>(v);
  }
  event_time time() { return time_from_ms(signed_number()); }
  steady_time steady() { return steady_time{signed_number()}; }
  /// How many things of at least `each` bytes follow.
  std::size_t count(std::size_t each) {
    const auto v = varint();
    if (v > rest().size() / each) return fail();
    return static_cast<std::size_t>(v);
  }
  log_position position() {
    log_position p;
    p.offset = varint();
    p.epoch = number<std::uint32_t>();
    p.chain = u64be();
    p.stamped_at = time();
    return p;
  }
  log_chunk chunk(std::uint16_t shard) {
    chunk_header h;
    h.shard = u16be();
    h.epoch = u32be();
    h.base = u64be();
    h.count = u32be();
    h.stamped_at = time_from_ms(static_cast<std::int64_t>(u64be()));
    h.size = u32be();
    h.crc = u32be();
    h.chain = u64be();
    const auto payload = raw(h.size);
    const bool has_offsets = h.base > 0 && h.count > 0 && h.last() >= h.base;
    if (!ok() || h.shard != shard || !has_offsets || persistence::crc32c(payload) != h.crc) {
      fail();
      return {};
    }
    return {h, std::make_shared<const tally::chunk>(tally::chunk{h, std::string{payload}})};
  }
  shard_config config() {
    shard_config c;
    c.cluster = u64be();
    c.version = varint();
    c.epoch = number<std::uint32_t>();
    c.leader = id();
    c.incarnation = u64be();
    c.in_sync.resize(count(sizeof(replica_id)));
    for (auto& each : c.in_sync) each = id();
    c.copies.resize(count(sizeof(replica_id) + 1));
    for (auto& copy : c.copies) {
      copy.id = id();
      copy.node.value = number<std::uint32_t>();
    }
    return c;
  }
  append_message append(std::uint16_t shard) {
    append_message a;
    a.config_version = varint();
    a.prev = position();
    a.end = varint();
    a.commit = varint();
    a.acked = varint();
    a.sent_at = steady();
    const auto chunks = count(chunk_bytes);
    a.chunks.reserve(chunks);
    for (std::size_t i = 0; i < chunks && ok(); ++i) a.chunks.push_back(chunk(shard));
    return a;
  }
  ack_message ack() {
    ack_message a;
    a.match = varint();
    a.sent_at = steady();
    a.clock = time();
    return a;
  }
  nack_message nack() {
    nack_message n;
    n.hint = position();
    n.sent_at = steady();
    return n;
  }
  void body(replica_message& m) {
    switch (u8()) {
      case 1:
        m.body = append(m.shard);
        return;
      case 2:
        m.body = ack();
        return;
      case 3:
        m.body = nack();
        return;
      case 4:
        m.body = stale_message{};
        return;
      case 5:
        m.body = handover_message{config()};
        return;
      case 6:
        m.body = pull_message{varint()};
        return;
      case 7:
        m.body = copy_needed_message{position()};
        return;
      case 8:
        m.body = join_message{{number<std::uint32_t>()}};
        return;
      case 9:
        m.body = leave_message{};
        return;
      default:
        fail();
    }
  }
  replica_message message() {
    replica_message m;
    m.cluster = u64be();
    m.shard = u16be();
    m.epoch = u32be();
    m.from = id();
    m.incarnation = u64be();
    body(m);
    return m;
  }
};

static_assert(std::variant_size_v<decltype(replica_message::body)> == 9,
              "a kind of message without bytes");

struct size_of_body {
  std::size_t operator()(const append_message& v) const {
    auto size = 6 * number_bytes + position_bytes;
    for (const auto& each : v.chunks) size += chunk_bytes + each.header.size;
    return size;
  }
  std::size_t operator()(const handover_message& v) const {
    return 8 + 2 * number_bytes + 16 + 8 + 2 * number_bytes +
           v.config.in_sync.size() * sizeof(replica_id) + v.config.copies.size() * copy_bytes;
  }
  template <class Other>
  std::size_t operator()(const Other&) const {
    return position_bytes + number_bytes;
  }
};

}  // namespace

std::string encode_frame(const replica_message* first, std::size_t count) {
  std::size_t size = 1 + number_bytes;
  for (std::size_t i = 0; i < count; ++i) size += frame_bytes(first[i]);
  std::string bytes;
  bytes.reserve(size);
  writer out{bytes};
  out.u8(replica_wire_version);
  out.varint(count);
  for (const auto* m = first; m != first + count; ++m) {
    out.u64be(m->cluster);
    out.u16be(m->shard);
    out.u32be(m->epoch);
    out.id(m->from);
    out.u64be(m->incarnation);
    out.u8(static_cast<std::uint8_t>(m->body.index() + 1));
    std::visit([&](const auto& body) { out.body(body); }, m->body);
  }
  return bytes;
}

std::string encode_frame(const std::vector<replica_message>& messages) {
  return encode_frame(messages.data(), messages.size());
}

std::size_t frame_bytes(const replica_message& message) {
  return head_bytes + std::visit(size_of_body{}, message.body);
}

result<std::vector<replica_message>> decode_frame(std::string_view bytes) {
  reader in{bytes};
  const auto version = in.u8();
  if (!in.ok()) return corrupt("is empty");
  if (version != replica_wire_version)
    return failure{errc::unsupported, "replication frame: version " + std::to_string(version)};
  const auto count = in.count(head_bytes);
  if (!in.ok()) return corrupt("shorter than its number of messages");
  std::vector<replica_message> messages;
  messages.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    messages.push_back(in.message());
    if (!in.ok()) return corrupt("message " + std::to_string(i) + " is damaged or cut off");
  }
  if (!in.at_end()) return corrupt("bytes after its last message");
  return messages;
}

}  // namespace tally::cluster
