#include "api/follow_watch.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

namespace tally::api {

namespace {

/// Lines of one burst are read together.
constexpr std::chrono::milliseconds burst{10};
constexpr std::uint32_t changes = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE;

}  // namespace

follow_watch::follow_watch(const std::set<std::string>& folders)
    : notes_{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)} {
  for (const auto& folder : folders) {
    if (notes_ < 0 || ::inotify_add_watch(notes_, folder.c_str(), changes) >= 0) continue;
    ::close(notes_);
    notes_ = -1;
  }
}

follow_watch::~follow_watch() {
  if (notes_ >= 0) ::close(notes_);
}

void follow_watch::wait(std::chrono::milliseconds limit) const {
  ::pollfd one{notes_, POLLIN, 0};
  const auto count = is_polling() ? 0U : 1U;
  if (::poll(&one, count, static_cast<int>(limit.count())) <= 0 || is_polling()) return;
  ::poll(nullptr, 0, static_cast<int>(burst.count()));
  std::array<char, 16 * 1024> notes{};
  while (::read(notes_, notes.data(), notes.size()) > 0) {
  }
}

}  // namespace tally::api
