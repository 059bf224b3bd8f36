#pragma once

#include <functional>
#include <string>

#include "api/http_message.hpp"
#include "api/http_server.hpp"
#include "cluster/request_relay.hpp"

namespace tally::api {

/// Has `request` answered by the node that leads the shard of `merchant`, whose answer goes out
/// unchanged but for a field `Tally-Node` with its number; `here` where this node leads it, and
/// where nobody is known to. A request that another node sent here is not sent on: it gets the
/// status that means "moved". 503 with Retry-After where the leader was not found in time.
void answer_by_leader(cluster::request_relay& relay, const http_request& request,
                      const std::string& merchant, respond answer,
                      std::function<void(respond)> here);

/// Answers a request that another node sent (`peer_links`' requests of the kind
/// `cluster::relay_kind`) by what this server's clients are answered by. `loop` is a number that
/// spreads the work over the server's loops.
void serve_relayed(http_server& server, std::size_t loop, const handler& routes,
                   const std::string& bytes, const std::function<void(result<std::string>)>& reply);

}  // namespace tally::api
