#include "domain/seen_texts.hpp"

#include <xxhash.h>

#include <algorithm>

#include "domain/gentle_growth.hpp"

namespace tally {
namespace {

constexpr std::size_t linear_max = 12;
constexpr std::uint32_t none = ~std::uint32_t{0};

}  // namespace

std::uint64_t seen_texts::hash_of(text_kind kind, std::string_view text) {
  const auto hash = XXH3_64bits(text.data(), text.size());
  return (hash & ~std::uint64_t{1}) | static_cast<std::uint64_t>(kind);
}

bool seen_texts::contains(std::uint64_t hash) const {
  if (!index_) return std::find(hashes_.begin(), hashes_.end(), hash) != hashes_.end();
  const auto& index = *index_;
  const auto mask = index.size() - 1;
  for (auto i = static_cast<std::size_t>(hash >> 1) & mask; index[i] != none; i = (i + 1) & mask)
    if (hashes_[index[i]] == hash) return true;
  return false;
}

void seen_texts::add(std::uint64_t hash, std::size_t size) {
  grow_gently(hashes_);
  hashes_.push_back(hash);
  ++counts_[hash & 1];
  text_bytes_ += size;
  if (hashes_.size() <= linear_max) return;
  if (index_ && hashes_.size() * 2 <= index_->size()) {
    place(static_cast<std::uint32_t>(hashes_.size() - 1));
    return;
  }
  std::size_t capacity = 32;
  while (capacity < hashes_.size() * 3) capacity *= 2;
  if (!index_) index_ = std::make_unique<std::vector<std::uint32_t>>();
  index_->assign(capacity, none);
  for (std::uint32_t i = 0; i < hashes_.size(); ++i) place(i);
}

void seen_texts::place(std::uint32_t number) {
  auto& index = *index_;
  const auto mask = index.size() - 1;
  auto i = static_cast<std::size_t>(hashes_[number] >> 1) & mask;
  while (index[i] != none) i = (i + 1) & mask;
  index[i] = number;
}

}  // namespace tally
