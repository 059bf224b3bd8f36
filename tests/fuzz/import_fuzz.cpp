#include <string>
#include <vector>

#include "api/import_reader.hpp"
#include "api/ingest_native.hpp"
#include "domain/ensure.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

namespace {

constexpr std::string_view mappings[] = {R"(group_by = "order"
[columns]
time = "time"
order = "order"
user = "user"
"item.id" = "item"
"item.quantity" = "quantity"
"item.price" = "price"
[props]
colour = "colour"
[[rule]]
column = "order"
starts_with = "A"
refuse = "adjustment"
[[rule]]
column = "order"
starts_with = "C"
name = "refund"
negate_quantity = true
[[rule]]
name = "purchase"
)",
                                         R"(separator = ";"
zone = "Europe/London"
time_pattern = "%d/%m/%Y %H:%M"
drop_suffix = ".0"
[columns]
time = "time"
name = "name"
visitor = "user"
total = "price"
)"};

std::unique_ptr<api::import_reader> reader_of(std::uint8_t kind) {
  switch (kind % 5) {
    case 0:
      return api::make_ndjson_reader("shop");
    case 1:
      return api::make_log_reader("shop", log_form::common, "https://shop.example");
    case 2:
      return api::make_log_reader("shop", log_form::combined, "");
    default: {
      auto mapping = api::parse_mapping(mappings[kind % 5 - 3], "map");
      ensure(mapping.ok(), "the mapping is not read");
      mapping->group_window_rows = 3;
      return api::make_csv_reader("shop", std::move(*mapping));
    }
  }
}

struct outcome {
  std::vector<std::string> events;
  std::vector<std::uint64_t> refused;
  bool operator==(const outcome&) const = default;
};

outcome read_in(std::uint8_t kind, std::string_view bytes, std::size_t piece) {
  outcome got;
  const api::import_sink sink{
      [&](api::imported_event e) { got.events.push_back(std::move(e.json)); },
      [&](const api::refused_line& r) { got.refused.push_back(r.line); }};
  const auto reader = reader_of(kind);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    reader->feed(bytes.substr(0, piece), sink);
  reader->finish(sink);
  return got;
}

/// An event is one line, of which the node makes one event or one refusal.
void send(const std::string& json) {
  ensure(json.find('\n') == std::string::npos, "an event of two lines");
  api::ingest_context context;
  context.platform = true;
  context.now = time_from_ms(1'291'204'800'000);
  auto body = json + "\n" + R"({"merchant":"shop","name":"x"})";
  const auto result = api::parse_native(body, context);
  const auto* const batch = std::get_if<api::parsed_batch>(&result);
  ensure(batch != nullptr && batch->count == 2, "an imported event breaks its batch");
}

}  // namespace

// The first byte chooses the reader, the second the size of the pieces that the file comes in.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto bytes = testing::as_bytes(data + 2, size - 2);
  const auto whole = read_in(data[0], bytes, bytes.size() + 1);
  ensure(whole == read_in(data[0], bytes, data[1] + std::size_t{1}),
         "a file is read in another way when it comes in pieces");
  for (const auto& json : whole.events) send(json);
  return 0;
}
