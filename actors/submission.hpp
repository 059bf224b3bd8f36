#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/shard.hpp"

namespace tally::actors {

/// What became of one submitted event.
enum class outcome : std::uint8_t {
  pending = 0,
  accepted = 1,
  duplicate = 2,
  rejected = 3,     // refused while applying; `code` of the entry says why
  over_quota = 4,   // its merchant is over its rate: nothing was stored
  unavailable = 5,  // not known to be stored: send again
};

/// Events of one or several requests on their way to the lanes and back.
///
/// The maker (an I/O thread) fills `bytes` and `events`, sets `on_done`, calls `seal()` and hands
/// it to engine::submit(); from then on only the engine writes, until `on_done` runs (once, on any
/// thread: it must only post to the maker's executor). After that the maker reads outcomes, by
/// now() where `durable_only` is set: then aggregators still write them.
struct submission {
  struct entry {
    std::uint32_t begin = 0, size = 0;  // its bytes in `bytes`, by persistence::encode_event
    std::uint64_t merchant = 0;         // merchant_hash of its merchant
    std::uint64_t offset = 0;           // in its shard's log, once stored
    std::uint32_t retry_after_ms = 0;   // where over_quota
    outcome what = outcome::pending;
    std::uint8_t code = 0;  // why rejected: logic_v1::reject_reason

    /// Where this is `rejected`, `code` may be read.
    [[nodiscard]] outcome now() const {
      return std::atomic_ref{const_cast<outcome&>(what)}.load(std::memory_order_acquire);
    }
    void set(outcome o, std::uint8_t why = 0) {
      code = why;
      std::atomic_ref{what}.store(o, std::memory_order_release);
    }
  };

  std::string bytes;
  std::vector<entry> events;
  std::function<void()> on_done;
  std::uint32_t requests = 1;  // that wait for it

  // --- the engine's own, not for the maker
  std::atomic<std::uint32_t> remaining{0};    // events without an outcome
  std::atomic<std::uint32_t> uncommitted{0};  // events neither on disk nor refused
  std::atomic<bool> answered{false};
  std::atomic<bool> durable_only{false};  // apply lags: answer 202 for events still pending

  [[nodiscard]] std::string_view bytes_of(const entry& e) const {
    return std::string_view{bytes}.substr(e.begin, e.size);
  }
  void seal() {
    remaining.store(static_cast<std::uint32_t>(events.size()));
    uncommitted.store(static_cast<std::uint32_t>(events.size()));
  }
  /// Marks `count` events as settled; the last call runs on_done.
  void settle(std::uint32_t count) {
    if (count == 0 || remaining.fetch_sub(count, std::memory_order_acq_rel) != count) return;
    if (!answered.exchange(true)) on_done();
  }
  /// Marks `count` events as on disk or refused. True for the last of them, where some are still
  /// to be counted: from then on there is nothing to wait for but apply.
  [[nodiscard]] bool commit(std::uint32_t count) {
    if (count == 0 || uncommitted.fetch_sub(count, std::memory_order_acq_rel) != count)
      return false;
    return remaining.load(std::memory_order_acquire) != 0;
  }
  /// Has it answered with what is known: all is durable, not all is visible. Only after commit()
  /// was true; does nothing where it has been answered.
  void answer_durable() {
    if (answered.exchange(true)) return;
    durable_only.store(true);
    on_done();
  }
};
using submission_ptr = std::shared_ptr<submission>;

}  // namespace tally::actors
