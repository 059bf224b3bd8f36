#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/support/http_client.hpp"

namespace tally::test {

/// A frame as it is on the wire, so that tests can misbehave.
struct web_socket_frame {
  enum kind : std::uint8_t { more = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
  std::uint8_t opcode = text;
  std::string payload{};
  bool last = true, masked = true;

  /// Of a close frame; 1005 where it has none.
  [[nodiscard]] unsigned code() const {
    if (payload.size() < 2) return 1005;
    return static_cast<unsigned>(static_cast<unsigned char>(payload[0])) << 8 |
           static_cast<unsigned char>(payload[1]);
  }
};

inline std::string frame_bytes(const web_socket_frame& f) {
  std::string out;
  out.push_back(static_cast<char>(f.opcode | (f.last ? 0x80 : 0)));
  const char mask_bit = f.masked ? static_cast<char>(0x80) : '\0';
  const auto size = f.payload.size();
  if (size < 126) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(mask_bit) | size));
  } else {
    const int width = size < 65'536 ? 2 : 8;
    out.push_back(
        static_cast<char>(static_cast<unsigned char>(mask_bit) | (width == 2 ? 126 : 127)));
    for (int i = width - 1; i >= 0; --i) out.push_back(static_cast<char>(size >> (8 * i)));
  }
  if (!f.masked) return out + f.payload;
  constexpr std::string_view mask = "\x12\x34\x56\x78";
  out += mask;
  for (std::size_t i = 0; i < size; ++i)
    out.push_back(static_cast<char>(f.payload[i] ^ mask[i % mask.size()]));
  return out;
}

/// A WebSocket over a blocking connection.
class web_socket_client {
 public:
  explicit web_socket_client(http_client connection) : connection_{std::move(connection)} {}

  static std::string opening(std::string_view target, std::string_view headers = {}) {
    std::string text = "GET ";
    text.append(target).append(
        " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    return text.append(headers).append("\r\n");
  }
  /// The answer to the opening; 101 where it was accepted.
  http_answer open(std::string_view target, std::string_view headers = {}) {
    connection_.send(opening(target, headers));
    auto answer = connection_.receive(false);
    if (!answer) throw std::runtime_error{"no answer to the opening"};
    return *answer;
  }
  bool send(const web_socket_frame& f) const { return connection_.send(frame_bytes(f)); }
  bool send_text(std::string text) const { return send({.payload = std::move(text)}); }
  bool send_bytes(std::string_view bytes) const { return connection_.send(bytes); }

  /// The next frame; nothing where the connection ended.
  std::optional<web_socket_frame> receive() {
    web_socket_frame f;
    if (!need(2)) return std::nullopt;
    f.last = (byte(0) & 0x80) != 0;
    f.opcode = byte(0) & 0x0f;
    f.masked = (byte(1) & 0x80) != 0;
    std::size_t size = byte(1) & 0x7f, head = 2;
    if (size >= 126) {
      const std::size_t width = size == 126 ? 2 : 8;
      if (!need(head + width)) return std::nullopt;
      size = 0;
      for (std::size_t i = 0; i < width; ++i) size = size << 8 | byte(head + i);
      head += width;
    }
    if (!need(head + size)) return std::nullopt;
    f.payload = in_.substr(head, size);
    in_.erase(0, head + size);
    return f;
  }
  /// The next text; empty where something else or nothing came.
  std::string receive_text() {
    const auto f = receive();
    return f && f->opcode == web_socket_frame::text ? f->payload : std::string{};
  }
  /// The code of the close frame that comes next, after any messages; 0 where none came.
  unsigned receive_close() {
    while (const auto f = receive())
      if (f->opcode == web_socket_frame::close) return f->code();
    return 0;
  }
  [[nodiscard]] bool has_input(std::chrono::milliseconds limit) const {
    return !in_.empty() || connection_.has_input(limit);
  }
  http_client& connection() { return connection_; }

 private:
  [[nodiscard]] std::uint8_t byte(std::size_t i) const { return static_cast<std::uint8_t>(in_[i]); }
  bool need(std::size_t size) {
    while (in_.size() < size) {
      auto more = connection_.read_some();
      if (more.empty()) return false;
      in_ += more;
    }
    return true;
  }

  http_client connection_;
  std::string in_;
};

}  // namespace tally::test
