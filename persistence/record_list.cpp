#include "persistence/record_list.hpp"

#include "domain/bytes.hpp"

namespace tally::persistence {

std::string encode_records(const std::vector<record>& records) {
  std::string out;
  byte_writer to{out};
  to.u8(1);
  for (const auto& r : records) {
    to.text(r.key);
    to.text(r.value);
  }
  return out;
}

result<std::vector<record>> decode_records(std::string_view bytes) {
  byte_reader in{bytes};
  if (in.u8() != 1) return failure{errc::unsupported, "records: unknown version"};
  std::vector<record> records;
  while (in.ok() && !in.at_end()) {
    const auto key = in.text();
    const auto value = in.text();
    if (in.ok()) records.push_back({std::string{key}, std::string{value}});
  }
  if (!in.ok()) return failure{errc::corrupt_record, "records: torn"};
  return records;
}

}  // namespace tally::persistence
