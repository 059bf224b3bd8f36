#include "actors/rate_shelf.hpp"

#include <utility>

#include "persistence/rate_store.hpp"

namespace tally::actors {

std::shared_ptr<const rate_book> rate_shelf::now() const {
  const std::lock_guard lock{mutex_};
  return book_;
}

status rate_shelf::refresh(const persistence::journal& log) {
  auto last = persistence::last_rate_import(log);
  if (!last) return last.error();
  {
    const std::lock_guard lock{mutex_};
    if (*last == last_) return done{};
  }
  auto book = persistence::load_rates(log);
  if (!book) return book.error();
  const std::lock_guard lock{mutex_};
  book_ = std::move(*book);
  last_ = std::move(*last);
  return done{};
}

bool rate_shelf::is_due() {
  constexpr std::chrono::seconds interval{1};
  const auto at = std::chrono::steady_clock::now();
  const std::lock_guard lock{mutex_};
  if (at < due_) return false;
  due_ = at + interval;
  return true;
}

}  // namespace tally::actors
