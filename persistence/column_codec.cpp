#include "persistence/column_codec.hpp"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>

#include "domain/ensure.hpp"
#include "persistence/rocks.hpp"

namespace tally::persistence {
namespace {

enum class numbers_form : std::uint8_t { alike = 0, plain = 1, steps = 2, apart = 3 };
enum class texts_form : std::uint8_t { in_order = 0, coded = 1 };

constexpr std::uint8_t value_version = 1;
constexpr std::uint8_t not_packed = 0, zstd_packed = 1;
constexpr std::size_t pack_from_bytes = 512;  // smaller values RocksDB packs together
constexpr int zstd_level = 3;

using codes = std::vector<std::uint64_t>;

constexpr std::uint64_t zigzag(std::uint64_t v) {
  return (v << 1) ^ (0 - (v >> 63));
}
constexpr std::uint64_t unzigzag(std::uint64_t v) {
  return (v >> 1) ^ (0 - (v & 1));
}
std::uint64_t bits(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}

std::uint64_t plain_code(std::int64_t v) {
  return v == no_number ? 0 : 1 + zigzag(bits(v));
}

/// Bits that all codes need, each for itself: what is left after zstd follows it closely enough.
std::uint64_t cost_of(const codes& all) {
  return std::accumulate(all.begin(), all.end(), std::uint64_t{0}, [](auto sum, auto code) {
    return sum + static_cast<std::uint64_t>(std::bit_width(code));
  });
}

codes plain_codes(const std::vector<std::int64_t>& values) {
  codes all(values.size());
  std::transform(values.begin(), values.end(), all.begin(), plain_code);
  return all;
}

codes step_codes(const std::vector<std::int64_t>& values) {
  codes all(values.size());
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    all[i] = zigzag(bits(values[i]) - before);
    before = bits(values[i]);
  }
  return all;
}

/// Nothing where a difference has the code of an absent number.
std::optional<codes> apart_codes(const std::vector<std::int64_t>& values,
                                 const std::vector<std::int64_t>& base) {
  codes all(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto apart = static_cast<std::int64_t>(bits(values[i]) - bits(base[i]));
    if (values[i] != no_number && apart == no_number) return std::nullopt;
    all[i] = values[i] == no_number ? 0 : plain_code(apart);
  }
  return all;
}

template <class Code>
void put_planes(byte_writer& out, const std::vector<Code>& all) {
  Code joined = 0;
  for (const auto code : all) joined |= code;
  const auto width = std::max(1, (static_cast<int>(std::bit_width(joined)) + 7) / 8);
  out.u8(static_cast<std::uint8_t>(width));
  std::string plane(all.size(), '\0');
  for (int i = 0; i < width; ++i) {
    for (std::size_t n = 0; n < all.size(); ++n)
      plane[n] = static_cast<char>(static_cast<std::uint8_t>(all[n] >> (8 * i)));
    out.raw(plane);
  }
}

template <class Code>
bool take_planes(byte_reader& in, std::size_t count, std::vector<Code>& all) {
  const auto width = in.u8();
  if (width == 0 || width > sizeof(Code) || count > column_values_max) return false;
  const auto planes = in.raw(width * count);
  if (!in.ok()) return false;
  all.resize(count);
  const auto* from = reinterpret_cast<const std::uint8_t*>(planes.data());
  std::copy(from, from + count, all.begin());
  for (unsigned i = 1; i < width; ++i) {
    from += count;
    for (std::size_t n = 0; n < count; ++n)
      all[n] |= static_cast<Code>(static_cast<Code>(from[n]) << (8 * i));
  }
  return true;
}

void restore_plain(const codes& all, std::vector<std::int64_t>& values) {
  for (std::size_t i = 0; i < all.size(); ++i)
    values[i] = all[i] == 0 ? no_number : static_cast<std::int64_t>(unzigzag(all[i] - 1));
}

void restore_steps(const codes& all, std::vector<std::int64_t>& values) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    value += unzigzag(all[i]);
    values[i] = static_cast<std::int64_t>(value);
  }
}

void restore_apart(const codes& all, const std::vector<std::int64_t>& base,
                   std::vector<std::int64_t>& values) {
  for (std::size_t i = 0; i < all.size(); ++i)
    values[i] =
        all[i] == 0 ? no_number : static_cast<std::int64_t>(bits(base[i]) + unzigzag(all[i] - 1));
}

bool is_alike(const std::vector<std::int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [&](auto v) { return v == values.front(); });
}

struct free_context {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

}  // namespace

void encode_numbers(std::string& out, const std::vector<std::int64_t>& values,
                    const std::vector<std::int64_t>* base) {
  byte_writer w{out};
  const auto put = [&](numbers_form form, const codes& all) {
    w.u8(static_cast<std::uint8_t>(form));
    put_planes(w, all);
  };
  if (is_alike(values)) {
    w.u8(static_cast<std::uint8_t>(numbers_form::alike));
    w.zigzag(values.empty() ? 0 : values.front());
    return;
  }
  const auto steps = step_codes(values);
  auto best = plain_codes(values);
  auto form = numbers_form::plain;
  if (base != nullptr) {
    ensure(base->size() == values.size(), "columns of different length");
    auto apart = apart_codes(values, *base);
    if (apart && cost_of(*apart) < cost_of(best)) {
      best = std::move(*apart);
      form = numbers_form::apart;
    }
  }
  if (cost_of(steps) < cost_of(best)) return put(numbers_form::steps, steps);
  put(form, best);
}

bool decode_numbers(byte_reader& in, std::size_t count, std::vector<std::int64_t>& values,
                    const std::vector<std::int64_t>* base) {
  if (count > column_values_max) return false;
  const auto form = static_cast<numbers_form>(in.u8());
  if (form == numbers_form::alike) {
    values.assign(count, in.zigzag64());
    return in.ok();
  }
  thread_local codes all;
  if (!take_planes(in, count, all)) return false;
  values.resize(count);
  if (form == numbers_form::plain) {
    restore_plain(all, values);
  } else if (form == numbers_form::steps) {
    restore_steps(all, values);
  } else if (form == numbers_form::apart && base != nullptr && base->size() == count) {
    restore_apart(all, *base, values);
  } else {
    return false;
  }
  return true;
}

void encode_texts(std::string& out, const text_column& texts) {
  byte_writer w{out};
  const auto words = texts.words.size();
  bool in_order = words == 1 || words == texts.codes.size();
  for (std::size_t i = 0; in_order && words > 1 && i < words; ++i) in_order = texts.codes[i] == i;
  w.varint(words);
  w.u8(static_cast<std::uint8_t>(in_order ? texts_form::in_order : texts_form::coded));
  if (!in_order) put_planes(w, texts.codes);
  std::vector<std::int64_t> sizes(words);
  std::transform(texts.words.begin(), texts.words.end(), sizes.begin(),
                 [](auto word) { return static_cast<std::int64_t>(word.size()); });
  encode_numbers(out, sizes);
  for (const auto word : texts.words) w.raw(word);
}

bool decode_texts(byte_reader& in, std::size_t rows, text_column& texts) {
  const auto words = in.varint();
  if (!in.ok() || words > rows || rows > column_values_max || (words == 0 && rows > 0))
    return false;
  const auto form = static_cast<texts_form>(in.u8());
  if (form == texts_form::coded) {
    if (!take_planes(in, rows, texts.codes)) return false;
    for (const auto code : texts.codes)
      if (code >= words) return false;
  } else if (form == texts_form::in_order && (words == 1 || words == rows)) {
    texts.codes.assign(rows, 0);
    if (words > 1) std::iota(texts.codes.begin(), texts.codes.end(), 0U);
  } else {
    return false;
  }
  std::vector<std::int64_t> sizes;
  if (!decode_numbers(in, static_cast<std::size_t>(words), sizes)) return false;
  texts.words.resize(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0) return false;
    texts.words[i] = in.raw(static_cast<std::size_t>(sizes[i]));
  }
  return in.ok();
}

std::string pack_value(std::string_view plain) {
  ensure(plain.size() <= column_bytes_max, "a column over 1 GiB");
  thread_local const std::unique_ptr<ZSTD_CCtx, free_context> context{ZSTD_createCCtx()};
  std::string packed;
  if (plain.size() >= pack_from_bytes) {
    packed.resize(ZSTD_compressBound(plain.size()));
    const auto size = ZSTD_compressCCtx(context.get(), packed.data(), packed.size(), plain.data(),
                                        plain.size(), zstd_level);
    ensure(ZSTD_isError(size) == 0, "zstd cannot compress");
    packed.resize(size);
  }
  const bool shrinks = !packed.empty() && packed.size() < plain.size();
  std::string out;
  byte_writer w{out};
  w.u8(value_version);
  w.u8(shrinks ? zstd_packed : not_packed);
  w.varint(plain.size());
  w.raw(shrinks ? std::string_view{packed} : plain);
  return rocks::with_crc(out);
}

std::optional<std::string> unpack_value(std::string_view value) {
  const auto content = rocks::without_crc(value);
  if (!content) return std::nullopt;
  byte_reader in{*content};
  const auto version = in.u8();
  const auto packing = in.u8();
  const auto size = in.varint();
  if (!in.ok() || version != value_version || size > column_bytes_max) return std::nullopt;
  const auto bytes = in.rest();
  if (packing == not_packed && bytes.size() == size) return std::string{bytes};
  // zstd itself says how much there is, so that a damaged size allocates nothing.
  if (packing != zstd_packed || ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != size)
    return std::nullopt;
  thread_local const std::unique_ptr<ZSTD_DCtx, free_context> context{ZSTD_createDCtx()};
  std::string plain(static_cast<std::size_t>(size), '\0');
  const auto got =
      ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0 || got != size) return std::nullopt;
  return plain;
}

std::uint32_t word_table::code_of(std::string_view word) {
  if (last_ < words_.size() && words_[last_] == word) return last_;
  if ((words_.size() + 1) * 4 > slots_.size() * 3) grow();
  const auto mask = slots_.size() - 1;
  auto i = static_cast<std::size_t>(XXH3_64bits(word.data(), word.size())) & mask;
  for (; slots_[i] != 0; i = (i + 1) & mask)
    if (words_[slots_[i] - 1] == word) return last_ = slots_[i] - 1;
  words_.push_back(word);
  slots_[i] = static_cast<std::uint32_t>(words_.size());
  return last_ = slots_[i] - 1;
}

void word_table::grow() {
  slots_.assign(std::max<std::size_t>(8, slots_.size() * 2), 0);
  const auto mask = slots_.size() - 1;
  for (std::size_t n = 0; n < words_.size(); ++n) {
    auto i = static_cast<std::size_t>(XXH3_64bits(words_[n].data(), words_[n].size())) & mask;
    while (slots_[i] != 0) i = (i + 1) & mask;
    slots_[i] = static_cast<std::uint32_t>(n + 1);
  }
}

}  // namespace tally::persistence
