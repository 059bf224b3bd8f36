#pragma once

#include <rocksdb/merge_operator.h>

#include <memory>

namespace tally::persistence {

/// Adds up the deltas of a totals row: operands and values are an encoded row and its crc32c.
///
/// Where one of them is damaged the outcome is an empty value, which no checksum fits: reads of
/// that row are corrupt_record from then on, until it is dropped. It does not fail the merge, for
/// then one bad row would stop flushes and compactions of all merchants.
[[nodiscard]] std::shared_ptr<rocksdb::MergeOperator> make_row_merge();

}  // namespace tally::persistence
