#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tally {

/// Texts of which a merchant may use only so many. Numbers rest on disk, as the lowest bit of a
/// hash.
enum class text_kind : std::uint8_t { name = 0, property = 1 };

/// Which event names and property keys a merchant has used: their hashes, in the order of first
/// use, so that what is new since a snapshot is the end of the list. Two texts with the same hash
/// count as one. Not thread-safe.
class seen_texts {
 public:
  /// 63 bits of the text, and its kind.
  [[nodiscard]] static std::uint64_t hash_of(text_kind kind, std::string_view text);

  [[nodiscard]] bool contains(std::uint64_t hash) const;
  /// `hash` must not be there yet; `size` is that of the text.
  void add(std::uint64_t hash, std::size_t size);
  /// How many texts of a kind there are.
  [[nodiscard]] std::size_t count(text_kind kind) const {
    return counts_[static_cast<std::size_t>(kind)];
  }
  /// Bytes of all texts together.
  [[nodiscard]] std::uint64_t text_bytes() const { return text_bytes_; }
  [[nodiscard]] const std::vector<std::uint64_t>& hashes() const { return hashes_; }
  [[nodiscard]] std::size_t heap_bytes() const {
    return hashes_.capacity() * sizeof(std::uint64_t) +
           (index_ ? index_->capacity() * sizeof(std::uint32_t) : 0);
  }

  std::size_t saved = 0;  // of `hashes`, so many are in a snapshot

 private:
  void place(std::uint32_t number);

  std::vector<std::uint64_t> hashes_;
  std::unique_ptr<std::vector<std::uint32_t>> index_;  // open addressing; none while few
  std::array<std::uint32_t, 2> counts_{};
  std::uint64_t text_bytes_ = 0;
};

}  // namespace tally
