#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// How far a log outside of Tally has been read into a merchant's journal, in the journal's
/// `merchants` family: what stands before `next` is durable here. Key: as merchant_prefix has it,
/// 'q', source, 0, partition as ten digits. Value: JSON.
struct source_position {
  std::string source;  // such as a topic
  std::uint32_t partition = 0;
  std::int64_t next = 0;

  bool operator==(const source_position&) const = default;
};

constexpr std::size_t positions_of_merchant_max = 10'000;

[[nodiscard]] record to_record(std::string_view merchant, const source_position& p);
/// The record that removes it: an empty value.
[[nodiscard]] record removal_of(std::string_view merchant, const source_position& p);
/// By source, then partition; corrupt_record where one is not what to_record() writes.
result<std::vector<source_position>> list_positions(const journal& log, std::string_view merchant);

}  // namespace tally::persistence
