#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "domain/bucket.hpp"
#include "domain/id_slices.hpp"
#include "domain/row_table.hpp"
#include "domain/rows.hpp"
#include "domain/seen_texts.hpp"
#include "domain/visits.hpp"
#include "domain/zone.hpp"

namespace tally {

/// Event names with rows of their own; later ones count in everything but rows by name.
constexpr std::size_t names_max = 1'000;
/// Minute rows are kept this long behind the merchant's newest event time.
constexpr std::chrono::hours minute_rows_kept{48};

/// Numbers of texts in order of first appearance. A merchant has few, so a vector is searched.
class text_numbers {
 public:
  /// The number of `text`, added where there is room, else `none`.
  std::uint16_t number(std::string_view text, std::size_t limit);
  [[nodiscard]] const std::vector<std::string>& all() const { return texts_; }
  [[nodiscard]] std::size_t heap_bytes() const;
  static constexpr std::uint16_t none = 0xffff;

 private:
  std::vector<std::string> texts_;
  std::uint16_t last_ = 0;  // the latest answer: equal names come in runs
};

/// Totals that changed since the last snapshot. Each change stands once, in the finest row that is
/// kept (minute or hour): rolled_up() makes the rows of the database of it.
struct delta_rows {
  row_table<traffic_delta> traffic;
  row_table<commerce_row> commerce;  // tag: currency
  row_table<name_delta> names;       // tag: event name
  row_table<operations_row> operations;

  [[nodiscard]] bool empty() const {
    return traffic.empty() && commerce.empty() && names.empty() && operations.empty();
  }
  [[nodiscard]] std::size_t heap_bytes() const;
};

/// The same changes as rows of the database.
struct total_rows {
  row_table<traffic_row> traffic;
  row_table<commerce_row> commerce;
  row_table<name_row> names;
  row_table<operations_row> operations;
};

/// The begin of the row of `width` that a row of a finer or the same width belongs to.
[[nodiscard]] bucket_time wider_begin(bucket_finder& finder, bucket_time begin, granularity width);
/// All rows that `finest` changes: itself, and the hours and days that it is part of.
[[nodiscard]] total_rows rolled_up(const delta_rows& finest, const zone& reporting_zone);

/// Counts over everything a merchant ever sent: GET /v1/merchant.
struct ledger {
  std::int64_t accepted = 0, duplicate = 0, late = 0;
  reason_counts rejected, filtered;
  bool operator==(const ledger&) const = default;
};

/// A refused event, kept for `tally rejects`.
struct kept_reject {
  std::uint64_t offset = 0;
  std::string bytes;  // the journaled event
};

/// All that one merchant's aggregator knows. Changed by apply() only; the same events in the same
/// order give the same state, whatever was snapshot, passivated or replayed in between. What only
/// saves work (slice widths, which slices are in memory) is not part of that promise.
struct merchant_state {
  merchant_state() : finder{zone::utc()} {}

  // --- the head page
  const zone* reporting_zone = &zone::utc();
  std::string zone_name = "UTC";  // as it was given: reporting_zone has the canonical name
  std::string currency = "USD";
  std::uint64_t applied = 0;  // offset of the last event applied; 0 before the first
  std::uint64_t events = 0;   // events applied: part of the digest's proof
  std::uint64_t digest = 0;   // sum of the events' outcome digests modulo 2^64
  std::int64_t newest_ms = std::numeric_limits<std::int64_t>::min();  // event time
  std::int64_t oldest_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t received_ms = std::numeric_limits<std::int64_t>::min();  // newest receipt
  ledger counts;
  text_numbers names, currencies;
  std::int64_t rejects_hour = 0;  // hour since 1970 whose refused bytes were counted last
  std::uint64_t rejects_hour_bytes = 0;
  visit_table visits;
  id_slices ids;
  seen_texts texts;  // in pages of their own

  // --- not in the head page: already in the database, or about to be
  delta_rows deltas;
  std::vector<kept_reject> rejects;
  std::uint64_t unsaved_events = 0, unsaved_bytes = 0;
  bucket_finder finder;

  [[nodiscard]] bool fresh() const { return events == 0; }
  void set_reporting(const zone& z, std::string_view given_name, std::string_view currency_code);
  /// First minute bucket that is still kept.
  [[nodiscard]] bucket_time minute_horizon() const;
  [[nodiscard]] std::size_t heap_bytes() const;
};

}  // namespace tally
