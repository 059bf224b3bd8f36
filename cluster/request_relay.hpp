#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/result.hpp"
#include "domain/shard_map.hpp"

namespace tally::cluster {

using header_fields = std::vector<std::pair<std::string, std::string>>;

/// An HTTP request on its way to the node that can answer it.
struct relayed_request {
  std::string method, path, query;
  header_fields headers;  // those of the client, but for those of its connection
  std::string body, client_address, request_id;
  bool operator==(const relayed_request&) const = default;
};
/// That node's answer.
struct relayed_answer {
  unsigned status = 0;
  std::string content_type;
  header_fields headers;
  std::string body;
  bool is_problem = false;  // the node that was asked first completes it
  bool operator==(const relayed_answer&) const = default;
};

/// Format version 1, then every field in its order: texts with their lengths, fields with their
/// number. Decoding fails with corrupt_record, or with unsupported for another version.
[[nodiscard]] std::string encode(const relayed_request& request);
[[nodiscard]] std::string encode(const relayed_answer& answer);
[[nodiscard]] result<relayed_request> decode_relayed_request(std::string_view bytes);
[[nodiscard]] result<relayed_answer> decode_relayed_answer(std::string_view bytes);

/// The kind under which peers ask each other such a thing (`peer_links::ask`).
inline constexpr std::string_view relay_kind = "http";
/// With this status a node says that it does not lead the merchant's shard either.
inline constexpr unsigned relay_moved_status = 421;

struct relay_options {
  std::chrono::milliseconds patience{10'000};               // of one request, over all attempts
  std::chrono::milliseconds pause_min{20}, pause_max{500};  // between attempts; doubles
  std::size_t waiting_max = 4'096;                          // requests that pause
};

/// Takes requests about a merchant to the node that leads its shard, and finds it again while it
/// moves. Only for requests that may be carried out twice.
class request_relay {
 public:
  struct ways {
    /// The node that leads this merchant's shard; nothing where this one does or nobody is known.
    std::function<std::optional<node_id>(std::string_view merchant)> leader_elsewhere;
    /// `peer_links::ask`.
    std::function<void(node_id to, const std::string& kind, const std::string& body,
                       std::chrono::milliseconds timeout,
                       std::function<void(result<std::string>)> then)>
        ask;
  };
  struct answered {
    relayed_answer answer;
    node_id by;
  };
  /// Nothing: this node answers itself. The failure is `unavailable` where the leader was not
  /// found in time.
  using outcome = result<std::optional<answered>>;

  request_relay(ways to, const relay_options& options = {});
  /// What pauses fails; what was asked is still told when its answer comes.
  ~request_relay();

  [[nodiscard]] bool is_elsewhere(std::string_view merchant) const;
  /// `then` is called once, from any thread, perhaps before this returns.
  void send(std::string merchant, const relayed_request& request,
            std::function<void(outcome)> then);

 private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace tally::cluster
