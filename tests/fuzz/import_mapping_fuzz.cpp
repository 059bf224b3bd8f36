#include <string>

#include "api/import_reader.hpp"
#include "domain/ensure.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

// A mapping, and behind a line "---" the file that it reads.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view line = "\n---\n";
  const auto text = testing::as_bytes(data, size);
  const auto end = text.find(line);
  auto mapping = api::parse_mapping(text.substr(0, end), "map");
  if (!mapping) {
    ensure(mapping.error().detail.starts_with("map"), "an error that does not name its file");
    return 0;
  }
  if (end == std::string_view::npos) return 0;
  const auto reader = api::make_csv_reader("shop", std::move(*mapping));
  const api::import_sink sink{[](const api::imported_event&) {}, [](const api::refused_line&) {}};
  reader->feed(text.substr(end + line.size()), sink);
  reader->finish(sink);
  return 0;
}
