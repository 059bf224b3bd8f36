#include <string>
#include <vector>

#include "api/http_parser.hpp"
#include "domain/ensure.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;
using namespace tally::api;

namespace {

struct outcome {
  std::vector<std::string> bodies;
  unsigned refused = 0;  // status
  bool operator==(const outcome&) const = default;
};

/// Reads the stream's requests, `piece` bytes at a time, as a connection does.
outcome read_in(std::string_view stream, std::size_t piece) {
  http_options options;
  options.header_bytes_max = 2'048;
  options.body_bytes_max = options.encoded_body_bytes_max = 65'536;
  actors::gauge used{0};
  outcome got;
  {
    http_budget budget{used, 1U << 20};
    auto parser = std::make_unique<http_parser>(options, budget);
    std::string held;
    while (got.refused == 0 && (!stream.empty() || !held.empty())) {
      held.append(stream.substr(0, piece));
      stream.remove_prefix(std::min(piece, stream.size()));
      std::string_view bytes{held};
      const auto progress = parser->feed(bytes);
      held.erase(0, held.size() - bytes.size());
      ensure(used.load() <= 1 << 20, "a body beyond the budget");
      if (progress == http_parser::progress::refused) got.refused = parser->refusal().status;
      if (progress == http_parser::progress::complete) {
        ensure(parser->request().body.size() <= options.body_bytes_max, "a body beyond its limit");
        got.bodies.push_back(parser->request().path + "\n" + parser->request().body);
        parser = std::make_unique<http_parser>(options, budget);
      }
      if (progress == http_parser::progress::need_more && stream.empty()) break;
    }
  }
  ensure(used.load() == 0, "memory of bodies is not given back");
  return got;
}

}  // namespace

// The first byte is the size of the pieces, the rest what a client sends.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto stream = testing::as_bytes(data + 1, size - 1);
  const auto whole = read_in(stream, stream.size() + 1);
  const auto pieces = read_in(stream, data[0] + std::size_t{1});
  // What is wrong may be seen earlier or later in pieces, even only after more bytes or the header
  // timeout; but the same requests must come out, and none past a refusal.
  ensure(whole.bodies == pieces.bodies, "requests differ when they come in pieces");
  return 0;
}
