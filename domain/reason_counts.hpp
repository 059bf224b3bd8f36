#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tally {

/// Counts by reason, sorted by it. Nearly always empty, and then one pointer.
class reason_counts {
 public:
  using map = std::map<std::string, std::int64_t, std::less<>>;

  reason_counts() = default;
  reason_counts(std::initializer_list<map::value_type> counts)
      : map_{counts.size() != 0 ? std::make_unique<map>(counts) : nullptr} {}
  reason_counts(const reason_counts& other) { *this = other; }
  reason_counts(reason_counts&&) noexcept = default;
  reason_counts& operator=(const reason_counts& other) {
    if (this != &other) map_ = other.map_ ? std::make_unique<map>(*other.map_) : nullptr;
    return *this;
  }
  reason_counts& operator=(reason_counts&&) noexcept = default;
  ~reason_counts() = default;

  [[nodiscard]] const map& all() const {
    static const map none;
    return map_ ? *map_ : none;
  }
  /// Made where it is missing.
  std::int64_t& operator[](std::string_view reason) {
    if (!map_) map_ = std::make_unique<map>();
    const auto found = map_->find(reason);
    return (found != map_->end() ? found : map_->emplace(reason, 0).first)->second;
  }
  bool operator==(const reason_counts& other) const { return all() == other.all(); }

 private:
  std::unique_ptr<map> map_;
};

}  // namespace tally
