#pragma once

#include <memory>
#include <string>
#include <vector>

#include "domain/rates.hpp"
#include "persistence/journal.hpp"

namespace tally::persistence {

/// Rates rest in the journal's `meta`, an import as it became known: parts under "rate_part/", the
/// import's id, "/" and four digits, text with a line "2010-12-01 USD 1.3124" for each rate; then
/// under "rate_import/" and the id a JSON object with base, known_ms, parts and rates; last the id
/// under "rate_last". An import without its object, which a crash cut off, is not there. An id
/// begins with the time at which the import became known, 15 digits in milliseconds.
struct rate_import {
  std::string id, base;
  std::int64_t known_ms = 0;
  std::uint32_t parts = 0;
  std::uint64_t rates = 0;
};

constexpr std::size_t rates_max = 5'000'000;

/// What stores an import, in the order in which it must be written. `suffix` keeps imports of the
/// same millisecond apart.
[[nodiscard]] std::vector<record> to_records(const std::vector<daily_rate>& news,
                                             const std::string& base, event_time known,
                                             const std::string& suffix);

/// All imports, the oldest first.
result<std::vector<rate_import>> list_rate_imports(const journal& log);
/// The id of the import that was written last; empty where there is none.
result<std::string> last_rate_import(const journal& log);
/// All rates; null where there are none. corrupt_record names the import.
result<std::shared_ptr<const rate_book>> load_rates(const journal& log);

}  // namespace tally::persistence
