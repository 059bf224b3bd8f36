#include "cluster/etcd_lease.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace tally::cluster {

etcd_lease::etcd_lease(etcd_options options, etcd_lease_callbacks callbacks)
    : options_{std::move(options)}, callbacks_{std::move(callbacks)}, ttl_{options_.lease_ttl} {
  ensure(validate(options_).ok(), "etcd_lease with unchecked options");
  keeper_ = std::thread{[this] { keep(); }};
}

etcd_lease::~etcd_lease() {
  {
    const std::lock_guard lock{mutex_};
    is_ending_ = true;
  }
  ends_.notify_all();
  keeper_.join();
}

std::uint64_t etcd_lease::id() const {
  const std::lock_guard lock{mutex_};
  return id_;
}

std::uint64_t etcd_lease::grants() const {
  const std::lock_guard lock{mutex_};
  return grants_;
}

std::chrono::milliseconds etcd_lease::beat() const {
  return std::chrono::milliseconds{ttl_} / 4;
}

void etcd_lease::keep() {
  etcd_client client{options_};
  auto wait = std::chrono::milliseconds{0};
  for (;;) {
    {
      std::unique_lock lock{mutex_};
      if (ends_.wait_for(lock, wait, [this] { return is_ending_; })) break;
    }
    wait = turn(client);
  }
  const auto lease = id();
  if (lease == 0) return;
  if (const auto revoked = client.revoke(lease); !revoked) {
    spdlog::warn("etcd_lease_not_revoked reason={}", revoked.error().text());
  }
}

/// One step; gives how long to wait for the next.
std::chrono::milliseconds etcd_lease::turn(etcd_client& client) {
  if (!callbacks_.is_well()) return beat();
  if (const auto lease = id(); lease != 0) return renew(client, lease);
  const auto granted = client.grant(options_.lease_ttl);
  if (!granted) {
    spdlog::warn("etcd_lease_not_granted reason={}", granted.error().text());
    return options_.retry_pause;
  }
  is_registered_ = false;
  {
    const std::lock_guard lock{mutex_};
    id_ = granted->id;
    ttl_ = granted->ttl;
    ++grants_;
  }
  return std::chrono::milliseconds{0};
}

std::chrono::milliseconds etcd_lease::renew(etcd_client& client, std::uint64_t lease) {
  const auto left = client.keep_alive(lease);
  if (!left) {
    client.use_next_endpoint();
    return options_.retry_pause;
  }
  if (left->count() == 0) {
    spdlog::warn("etcd_lease_lost lease={}", lease);
    {
      const std::lock_guard lock{mutex_};
      id_ = 0;
    }
    callbacks_.on_lost();
    return std::chrono::milliseconds{0};
  }
  if (!is_registered_) is_registered_ = callbacks_.on_granted(client, lease);
  return is_registered_ ? beat() : options_.retry_pause;
}

}  // namespace tally::cluster
