#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/time.hpp"

namespace tally {

struct load_options {
  std::uint64_t seed = 1;
  std::uint64_t events = 1'000'000;
  std::uint32_t merchants = 100'000;           // 1 to 10,000,000
  bool uniform = false;                        // merchants drawn evenly, not by Zipf
  std::optional<std::uint32_t> only_merchant;  // every event is this one's and names no merchant
  event_time end = time_from_ms(1'763'596'800'000);  // 2025-11-20T00:00:00Z
};

/// The standard load: what benchmarks send. Event number i depends on the options and i alone, so
/// parts of a load can be made anywhere, in any order, at once. Reads no clock. Immutable, so any
/// thread may call it; holds 12 bytes per merchant.
///
/// Merchants by Zipf (s = 1), m000000 the largest; visitors of a merchant a sixth of its expected
/// events, at least 5, by Zipf; 85 % page_view, 8 % add_to_cart, 3 % checkout, 3 % purchase, 1 %
/// refund; 20 % of the events on days 30 to 7 before the end, 30 % on days 7 to 1, 50 % in the last
/// 24 hours, in order of time but for 2 % that are late by up to 10 minutes.
class load_law {
 public:
  explicit load_law(const load_options& options);

  [[nodiscard]] const load_options& options() const { return options_; }

  /// Appends event `index` (below options().events) as one line of JSON with its line end.
  void append_line(std::string& out, std::uint64_t index) const;
  /// The same at `now` instead of its place in the month: for sending live. 2 % are late.
  void append_line_live(std::string& out, std::uint64_t index, event_time now) const;

  /// Number of the merchant of an event: 0 is "m000000".
  [[nodiscard]] std::uint32_t merchant_of(std::uint64_t index) const;
  [[nodiscard]] event_time time_of(std::uint64_t index) const;
  /// Merchant of a question, drawn like those of events.
  [[nodiscard]] std::uint32_t draw_merchant(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t visitors_of(std::uint32_t merchant) const;

 private:
  struct draws;

  void append(std::string& out, std::uint64_t index, draws& from, event_time at) const;
  [[nodiscard]] std::uint32_t draw_merchant(draws& from) const;
  [[nodiscard]] event_time planned(std::uint64_t index, draws& from) const;

  load_options options_;
  double harmonic_ = 0;               // sum of 1/k over the merchants
  std::vector<std::uint64_t> keep_;   // alias table: below this the slot's own merchant,
  std::vector<std::uint32_t> other_;  // else this one
};

/// "m000123"
[[nodiscard]] std::string load_merchant_name(std::uint32_t merchant);

}  // namespace tally
