#include "api/alias_directory.hpp"

#include <mutex>

namespace tally::api {
namespace {

using clock = std::chrono::steady_clock;

bool is_key(std::string_view text) {
  return text.starts_with(alias_book::key_prefix);
}

bool is_unknown(const failure& why) {
  return why.code == errc::not_found || why.code == errc::unauthorized;
}

void learn_key(alias_book& book, const std::string& text, const result<actors::key_facts>& found) {
  if (found && found->scope == actors::key_scope::platform) {
    book.learn_platform_key(text);
  } else if (found && found->scope == actors::key_scope::write) {
    book.learn(text, found->merchant, found->honours_gpc);
  } else {
    book.learn(text, std::nullopt);
  }
}

void learn_alias(alias_book& book, const std::string& text,
                 const result<actors::alias_facts>& found) {
  if (found) return book.learn(text, found->merchant, found->honours_gpc);
  book.learn(text, std::nullopt);
}

}  // namespace

/// The names of one request on their way. Answers arrive on any thread.
struct alias_directory::search {
  std::shared_ptr<alias_book> book;
  executor_ref loop;
  std::function<void(status)> then;
  std::mutex mutex;
  std::size_t waiting = 0;  // guarded by the mutex, like the book and `outcome`
  status outcome = done{};

  template <class Found, class Learn>
  void take(const std::string& text, const Found& found, Learn learn) {
    const std::lock_guard lock{mutex};
    if (!found && !is_unknown(found.error())) outcome = found.error();
    learn(*book, text, found);
    if (--waiting == 0) loop.post([then = std::move(then), what = outcome] { then(what); });
  }
};

bool alias_directory::learn_cached(alias_book& book, const std::string& text) const {
  const auto now = clock::now();
  if (is_key(text)) {
    const auto known = keys_.find(text, now);
    if (known) learn_key(book, text, *known);
    return known.has_value();
  }
  const auto known = aliases_.find(text, now);
  if (known) learn_alias(book, text, *known);
  return known.has_value();
}

void alias_directory::ask(const std::shared_ptr<search>& all, const std::string& text) {
  auto self = shared_from_this();
  const auto asked = clock::now();
  if (is_key(text)) {
    engine_.find_key(text.substr(alias_book::key_prefix.size()),
                     [self, all, text, asked](const result<actors::key_facts>& found) {
                       self->keys_.put(text, found, asked);
                       all->take(text, found, learn_key);
                     });
    return;
  }
  engine_.find_alias(text, [self, all, text, asked](const result<actors::alias_facts>& found) {
    self->aliases_.put(text, found, asked);
    all->take(text, found, learn_alias);
  });
}

void alias_directory::forget() {
  keys_.clear(clock::now());
  aliases_.clear(clock::now());
}

void alias_directory::fill(std::shared_ptr<alias_book> book, const executor_ref& loop,
                           std::function<void(status)> then) {
  std::vector<std::string> unknown;
  for (const auto& text : book->missing())
    if (!learn_cached(*book, text)) unknown.push_back(text);
  book->turn_page();
  if (unknown.empty()) {
    then(done{});
    return;
  }
  auto all = std::make_shared<search>();
  all->book = std::move(book);
  all->loop = loop;
  all->then = std::move(then);
  all->waiting = unknown.size();
  for (const auto& text : unknown) ask(all, text);
}

}  // namespace tally::api
