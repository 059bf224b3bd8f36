#pragma once

#include <memory>
#include <string_view>

#include "domain/result.hpp"

namespace tally {

/// A regular expression in RE2's syntax, compiled once. It never takes longer than linear time.
/// Copies share what was compiled; every function may be called from any thread.
class text_pattern {
 public:
  /// bad_request says what is wrong with the expression.
  static result<text_pattern> make(std::string_view expression);
  /// Case is ignored: the whole text is `words`, or they are somewhere in it.
  static result<text_pattern> whole_words(std::string_view words);
  static result<text_pattern> words_within(std::string_view words);

  /// Whether it matches somewhere in the text.
  [[nodiscard]] bool found_in(std::string_view text) const;

 private:
  struct compiled;
  explicit text_pattern(std::shared_ptr<const compiled> c) : compiled_{std::move(c)} {}
  static result<text_pattern> make(std::string_view expression, bool case_sensitive);
  std::shared_ptr<const compiled> compiled_;
};

}  // namespace tally
