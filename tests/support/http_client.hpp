#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tally::test {

/// An answer as read from the wire. Names are in lower case; of repeated ones, values are joined
/// with ", ".
struct http_answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
};

/// One connection, blocking, with a limit of 20 s on every wait. Sends exactly the bytes given, so
/// that tests can misbehave.
class http_client {
 public:
  static http_client tcp(std::uint16_t port, const char* host = "127.0.0.1") {
    const bool v6 = std::strchr(host, ':') != nullptr;
    http_client client{::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (v6) {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(port);
      inet_pton(AF_INET6, host, &address.sin6_addr);
      client.connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      inet_pton(AF_INET, host, &address.sin_addr);
      client.connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    return client;
  }
  static http_client unix_socket(const std::string& path) {
    http_client client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    client.connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return client;
  }
  http_client(http_client&& other) noexcept
      : descriptor_{std::exchange(other.descriptor_, -1)}, in_{std::move(other.in_)} {}
  http_client& operator=(http_client&&) = delete;
  ~http_client() { close(); }

  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  void shutdown_send() const { ::shutdown(descriptor_, SHUT_WR); }

  /// False where the server has closed the connection.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// The next answer; nothing where the connection ended first. `without_body`: to a HEAD request.
  std::optional<http_answer> receive(bool without_body = false) {
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos)
      if (!fill()) return std::nullopt;
    http_answer answer = parse_head(std::string_view{in_}.substr(0, end + 2));
    in_.erase(0, end + 4);
    const auto length = answer.headers.find("content-length");
    if (without_body || length == answer.headers.end()) return answer;
    const auto size = static_cast<std::size_t>(std::stoull(length->second));
    while (in_.size() < size)
      if (!fill()) return std::nullopt;
    answer.body = in_.substr(0, size);
    in_.erase(0, size);
    return answer;
  }

  /// Sends one request with Host and, where there is a body, Content-Length, and waits.
  std::optional<http_answer> ask(std::string_view method, std::string_view target,
                                 std::string_view body = {}, std::string_view headers = {}) {
    std::string text;
    text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n");
    text.append(headers);
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text.append("\r\n").append(body);
    send(text);
    return receive(method == "HEAD");
  }

  /// True once the server has closed; false where it sends something or 20 s pass.
  bool is_closed() { return in_.empty() && !fill() && !timed_out_; }
  /// True where bytes arrive within `limit`.
  [[nodiscard]] bool has_input(std::chrono::milliseconds limit) const {
    pollfd wait{descriptor_, POLLIN, 0};
    return !in_.empty() || ::poll(&wait, 1, static_cast<int>(limit.count())) > 0;
  }
  /// Reads whatever comes next and gives all unread bytes.
  std::string read_some() {
    if (in_.empty()) fill();
    return std::exchange(in_, {});
  }

 private:
  explicit http_client(int descriptor) : descriptor_{descriptor} {}

  void connect(const sockaddr* address, socklen_t size) const {
    if (::connect(descriptor_, address, size) != 0)
      throw std::runtime_error{std::string{"connect: "} + std::strerror(errno)};
  }

  bool fill() {
    pollfd wait{descriptor_, POLLIN, 0};
    constexpr int patience_ms = 20'000;
    timed_out_ = ::poll(&wait, 1, patience_ms) == 0;
    if (timed_out_) return false;
    char bytes[16 << 10];
    const auto n = ::recv(descriptor_, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    in_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }

  static http_answer parse_head(std::string_view head) {
    http_answer answer;
    answer.status = std::stoi(std::string{head.substr(9, 3)});
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
      const auto line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(line.size() + 2);
      const auto colon = line.find(": ");
      std::string name{line.substr(0, colon)};
      for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      auto& value = answer.headers[name];
      value.append(value.empty() ? "" : ", ").append(line.substr(colon + 2));
    }
    return answer;
  }

  int descriptor_;
  std::string in_;
  bool timed_out_ = false;
};

}  // namespace tally::test
