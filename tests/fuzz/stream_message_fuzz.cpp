#include <string>

#include "api/stream_message.hpp"
#include "domain/ensure.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string message{testing::as_bytes(data, size)};
  const auto read = api::read_stream_message(std::string{message});
  if (!read) {
    ensure(read.error().code == errc::bad_request && !read.error().detail.empty(),
           "a refusal does not say why");
    return 0;
  }
  ensure(!read->seq || *read->seq <= api::stream_seq_max, "a number beyond the largest");
  ensure(read->key.size() <= 512 && read->idempotency_key.size() <= 512, "a text beyond its limit");
  ensure(read->body == "[]" || message.find(read->body) != std::string::npos,
         "a body that was not in the message");
  return 0;
}
