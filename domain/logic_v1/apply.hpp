#pragma once

#include <cstdint>
#include <string_view>

#include "domain/event.hpp"
#include "domain/merchant_state.hpp"
#include "domain/ruleset.hpp"

/// Logic version 1: how events are counted. Frozen once released; a change of any number it gives
/// is a new logic version in a folder of its own.
namespace tally::logic_v1 {

/// What an event did.
enum class effect : std::uint8_t {
  accepted = 1,
  duplicate = 2,
  filtered = 3,  // accepted into the journal, left out of totals by the ruleset
  recorded = 4,  // a control event: rejected, settings, identify
  repeated = 5,  // at an offset applied before: nothing changed
  rejected = 6,  // over one of the limits below: in the ledger only
};

/// Different event names of a merchant, different keys of its properties (of `props`, and of fields
/// that are not ours), and the bytes of both together. An event with one more is rejected; what
/// was used once may be used for ever.
constexpr std::size_t distinct_names_max = 10'000;
constexpr std::size_t distinct_properties_max = 2'000;
constexpr std::uint64_t distinct_bytes_max = 1u << 20;
/// Bytes of refused events that are kept for each merchant and hour of receipt.
constexpr std::uint64_t rejects_hour_bytes_max = 1u << 20;

/// Why an event was rejected while applying.
enum class reject_reason : std::uint8_t { none = 0, too_many_names = 1, too_many_properties = 2 };
/// As in the ledger and in receipts: "too_many_names".
[[nodiscard]] std::string_view to_string(reject_reason reason);

struct applied {
  effect what = effect::accepted;
  bool late = false;
  std::uint64_t digest = 0;  // of what it did
  reject_reason reason = reject_reason::none;
};

/// Where in the journal the event stands, and its bytes there.
struct place {
  std::uint64_t offset = 0;
  event_time stamped_at{};
  std::string_view bytes;
};

/// Adds one event to a merchant's state. Pure: no clock, no chance, no order of hashing. The id
/// slices that the event needs must be in memory (id_slices::missing_for). An offset already
/// applied changes nothing, so any replay is safe; offsets of one merchant may have gaps.
applied apply(merchant_state& state, const event& e, const place& where, const ruleset& rules);

}  // namespace tally::logic_v1
