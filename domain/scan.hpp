#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "domain/event_columns.hpp"
#include "domain/query.hpp"
#include "domain/result.hpp"
#include "domain/scan_plan.hpp"

namespace tally {

struct scan_frame;

/// Answers a question from the events themselves. Blocks come in the order of their offsets; those
/// that plan->range does not need may be left out. Several scans of one plan over disjoint runs of
/// blocks give the same answer once they are merged. Not thread-safe; two scans of one plan may run
/// in two threads.
class scan {
 public:
  explicit scan(std::shared_ptr<const scan_plan> plan);
  scan(scan&& other) noexcept;
  scan& operator=(scan&& other) noexcept;
  ~scan();

  /// unsupported, "too_many_groups: /dimensions/0: ..." names the dimension with most values,
  /// "too_much_memory: ..."; the scan is then of no use.
  status add(const event_columns& block);
  /// Takes what another scan of the same plan found in the blocks after those of this one.
  status merge(scan&& later);
  /// Where visits reach over the edge of the range that was read: a wider range, with which all
  /// begins anew (scan_plan::range). Nothing where every visit is known whole.
  [[nodiscard]] std::optional<scan_range> wider() const;
  /// Ends the scan. After this and wider() no more blocks may come.
  result<answer> finish();

  /// What was gathered, for other ends than finish(): finish_funnel(), finish_retention().
  [[nodiscard]] scan_frame& frame();
  [[nodiscard]] std::size_t memory_bytes() const;
  [[nodiscard]] std::uint64_t rows() const;  // looked at so far

 private:
  struct work;
  std::unique_ptr<work> work_;
};

}  // namespace tally
