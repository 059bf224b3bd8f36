#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/engine.hpp"
#include "api/alias_book.hpp"
#include "api/answer_cache.hpp"
#include "api/http_message.hpp"

namespace tally::api {

/// Looks foreign names up, and keeps what was found for 5 s, unknown names too. The engine must
/// live longer.
class alias_directory : public std::enable_shared_from_this<alias_directory> {
 public:
  explicit alias_directory(actors::engine& engine) : engine_{engine} {}

  /// Learns all that `book` misses, then calls `then` on the calling thread where everything was in
  /// the cache, else on `loop`. A failure means that something cannot be asked now: 503, never 401
  /// or 404.
  void fill(std::shared_ptr<alias_book> book, const executor_ref& loop,
            std::function<void(status)> then);
  /// Asks anew from now on. Any thread.
  void forget();

 private:
  struct search;
  void ask(const std::shared_ptr<search>& all, const std::string& text);
  /// False where the cache does not know.
  bool learn_cached(alias_book& book, const std::string& text) const;

  actors::engine& engine_;
  alias_cache aliases_;
  key_cache keys_;
};

}  // namespace tally::api
