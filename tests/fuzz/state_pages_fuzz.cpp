#include <string>

#include "domain/ensure.hpp"
#include "persistence/state_codec.hpp"
#include "persistence/state_keys.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;
using namespace tally::persistence;

namespace {

/// Uses a state as a woken merchant would.
void use(loaded_state& loaded) {
  auto& state = loaded.state;
  (void)state.heap_bytes();
  (void)state.minute_horizon();
  for (const auto& v : state.visits.sorted()) {
    ensure(v.begin_ms <= v.end_ms, "a visit ends before it begins");
    (void)state.visits.find(v.visitor, v.begin_ms, 1'800'000);
  }
  state.visits.expire(state.newest_ms);
}

void try_head(std::string_view bytes) {
  loaded_state loaded;
  if (decode_head(bytes, loaded)) use(loaded);
}

void try_visits(std::string_view bytes) {
  loaded_state loaded;
  if (decode_visits_page(bytes, loaded.state.visits)) use(loaded);
}

void try_texts(std::string_view bytes) {
  seen_texts texts;
  bool full = false;
  if (!decode_texts_page(bytes, texts, full)) return;
  for (const auto hash : texts.hashes()) ensure(texts.contains(hash), "a text is lost");
}

void try_run(std::string_view bytes) {
  std::vector<seen_id> ids;
  if (!decode_id_run(bytes, ids)) return;
  ensure(ids.size() <= bytes.size() / 17, "more ids than bytes can hold");
  id_slices slices;
  slices.load({id_class::client_time, slice_width::day, 0}, ids);
}

void try_key(std::string_view bytes) {
  (void)state_key::kind_of(bytes);
  auto rest = bytes;
  const auto owner = state_key::take_owner(rest);
  if (!owner) return;
  const auto at = state_key::row_of(rest);
  if (at) ensure(state_key::row(*owner, *at) == bytes, "a key changes when it is made again");
}

}  // namespace

// The first byte chooses the decoder.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr void (*decoders[])(std::string_view) = {try_head, try_visits, try_texts, try_run,
                                                    try_key};
  if (size == 0) return 0;
  decoders[data[0] % std::size(decoders)](testing::as_bytes(data + 1, size - 1));
  return 0;
}
