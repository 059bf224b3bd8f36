#include "persistence/row_merge.hpp"

#include "domain/rows.hpp"
#include "persistence/rocks.hpp"
#include "persistence/state_keys.hpp"

namespace tally::persistence {

namespace {

/// Adds `operand` to `sum`; false where it is damaged.
bool add(row_kind kind, std::optional<std::string>& sum, const rocksdb::Slice& operand) {
  const auto row = rocks::without_crc(rocks::view(operand));
  if (!row) return false;
  if (sum) return merge_encoded(kind, *sum, *row);
  sum.emplace(*row);
  return true;
}

class row_merge : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    out->new_value.clear();
    const auto kind = state_key::kind_of(rocks::view(in.key));
    if (!kind) return true;
    std::optional<std::string> sum;
    if (in.existing_value != nullptr && !add(*kind, sum, *in.existing_value)) return true;
    for (const auto& operand : in.operand_list)
      if (!add(*kind, sum, operand)) return true;
    if (sum) out->new_value = rocks::with_crc(*sum);
    return true;
  }

  bool PartialMerge(const rocksdb::Slice& key, const rocksdb::Slice& left,
                    const rocksdb::Slice& right, std::string* merged,
                    rocksdb::Logger*) const override {
    merged->clear();
    const auto kind = state_key::kind_of(rocks::view(key));
    std::optional<std::string> sum;
    if (kind && add(*kind, sum, left) && add(*kind, sum, right)) *merged = rocks::with_crc(*sum);
    return true;
  }

  const char* Name() const override { return "tally.row_merge.v1"; }
};

}  // namespace

std::shared_ptr<rocksdb::MergeOperator> make_row_merge() {
  return std::make_shared<row_merge>();
}

}  // namespace tally::persistence
