#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/result.hpp"

namespace tally::cluster {

/// Files in PEM. Without `ca_file` the connection is not encrypted.
struct tls_files {
  std::string ca_file;
  std::string certificate_file, key_file;  // of the client; both or none
};

struct exchange_options {
  std::chrono::milliseconds timeout{1'000};  // of connecting, and of one request with its answer
  std::size_t answer_bytes_max = 16u << 20;  // of a streamed answer: of one line
  tls_files tls;
};

struct exchange_request {
  std::string target, body;
  std::vector<std::pair<std::string, std::string>> headers;
};
struct exchange_reply {
  unsigned status = 0;
  std::string body;
};

/// POSTs of JSON over one kept-alive HTTP/1.1 connection, which opens when first needed and again
/// after a failure. Blocks; one thread at a time but for `cancel`.
class http_exchange {
 public:
  /// `host_port` such as "127.0.0.1:2379" or "[::1]:2379"; a name is resolved by the system, which
  /// may take longer than the timeout.
  http_exchange(std::string host_port, exchange_options options);
  ~http_exchange();

  /// Any status is a reply. unavailable where no whole answer came; see `may_have_arrived`.
  result<exchange_reply> post(const exchange_request& request);
  /// Gives each line of an answer without end to `on_line` until it returns false (done), the
  /// server ends it, or `cancel` (both unavailable). Another status than 200 is a failure whose
  /// detail is the body. The timeout covers only the beginning.
  status stream(const exchange_request& request,
                const std::function<bool(std::string_view)>& on_line);
  /// From any thread: ends what runs, and fails everything after it.
  void cancel();
  /// Of the last request: false where certainly no byte of it was sent.
  [[nodiscard]] bool may_have_arrived() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::cluster
