#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "domain/event.hpp"
#include "domain/logic_v1/apply.hpp"
#include "domain/seen_texts.hpp"

namespace tally::logic_v1 {

/// The texts of one event that its merchant has not used before.
class new_texts {
 public:
  /// Whether one of them is over a limit, and which.
  reject_reason find(const seen_texts& seen, const event& e) {
    if (e.kind == event_kind::data && !add(seen, text_kind::name, e.name))
      return reject_reason::too_many_names;
    for (const auto key : e.property_keys)
      if (!add(seen, text_kind::property, key)) return reject_reason::too_many_properties;
    return reject_reason::none;
  }
  void remember(seen_texts& seen) const {
    for (const auto& t : texts_) seen.add(t.hash, t.size);
  }

 private:
  struct text {
    std::uint64_t hash;
    std::size_t size;
  };

  bool add(const seen_texts& seen, text_kind kind, std::string_view words) {
    const auto hash = seen_texts::hash_of(kind, words);
    if (seen.contains(hash)) return true;
    for (const auto& t : texts_)
      if (t.hash == hash) return true;
    const auto max = kind == text_kind::name ? distinct_names_max : distinct_properties_max;
    auto& fresh = fresh_[static_cast<std::size_t>(kind)];
    bytes_ += words.size();
    if (seen.count(kind) + ++fresh > max || seen.text_bytes() + bytes_ > distinct_bytes_max)
      return false;
    texts_.push_back({hash, words.size()});
    return true;
  }

  std::vector<text> texts_;
  std::array<std::size_t, 2> fresh_{};
  std::uint64_t bytes_ = 0;
};

}  // namespace tally::logic_v1
