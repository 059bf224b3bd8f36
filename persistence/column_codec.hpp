#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/bytes.hpp"
#include "domain/event_columns.hpp"

/// How lists of numbers and texts rest in a block of history. All of it is deterministic.
namespace tally::persistence {

/// Limits of what a decoder believes; a block is made far below them.
constexpr std::size_t column_values_max = 1u << 24;
constexpr std::size_t column_bytes_max = 1u << 30;

/// Appends a list of numbers. The reader must know how many there are.
///   form u8, then
///   0 all alike: the value, zigzag. An empty list is this form with 0
///   1 plain: planes of 0 for no_number, else 1 + zigzag(value)
///   2 steps: planes of zigzag(value - value before), the first after 0; differences wrap
///   3 apart: planes of 0 for no_number, else 1 + zigzag(value - value of `base` in this place)
/// Planes: width u8 (1 to 8), then the lowest byte of every code, then the next ones, and so on.
void encode_numbers(std::string& out, const std::vector<std::int64_t>& values,
                    const std::vector<std::int64_t>* base = nullptr);
/// False where the bytes are damaged. `base` as when it was written.
[[nodiscard]] bool decode_numbers(byte_reader& in, std::size_t count,
                                  std::vector<std::int64_t>& values,
                                  const std::vector<std::int64_t>* base = nullptr);

/// Appends a list of texts: number of words varint, form u8, codes, sizes of the words as a list of
/// numbers, then the words one after another. Forms: 0 the n-th row has the n-th word, and of one
/// word every row; 1 codes as planes, as above.
void encode_texts(std::string& out, const text_column& texts);
/// The words point into the bytes that `in` reads.
[[nodiscard]] bool decode_texts(byte_reader& in, std::size_t rows, text_column& texts);

/// A value as it rests: version u8 = 1, packing u8 (0 none, 1 zstd), plain size varint, bytes,
/// crc32c. What is small or does not shrink is not packed.
[[nodiscard]] std::string pack_value(std::string_view plain);
/// The plain bytes; nothing where they are damaged.
[[nodiscard]] std::optional<std::string> unpack_value(std::string_view value);

/// Gives every text a number in the order of first appearance. Texts must outlive it.
class word_table {
 public:
  std::uint32_t code_of(std::string_view word);
  [[nodiscard]] std::vector<std::string_view>& words() { return words_; }

 private:
  void grow();

  std::vector<std::string_view> words_;
  std::vector<std::uint32_t> slots_;  // code + 1, open addressing; 0 is free
  std::uint32_t last_ = 0;            // equal texts come in runs
};

}  // namespace tally::persistence
