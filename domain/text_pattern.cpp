#include "domain/text_pattern.hpp"

#include <re2/re2.h>

#include <string>

namespace tally {
namespace {

constexpr std::int64_t program_bytes_max = 1 << 20;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

struct text_pattern::compiled {
  compiled(std::string_view words, const RE2::Options& options)
      : expression{piece(words), options} {}
  RE2 expression;
};

result<text_pattern> text_pattern::make(std::string_view expression, bool case_sensitive) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(case_sensitive);
  options.set_max_mem(program_bytes_max);
  options.set_never_capture(true);
  auto made = std::make_shared<const compiled>(expression, options);
  if (!made->expression.ok())
    return failure{
        errc::bad_request,
        "'" + std::string{expression} + "' is no regular expression: " + made->expression.error()};
  return text_pattern{std::move(made)};
}

result<text_pattern> text_pattern::make(std::string_view expression) {
  return make(expression, true);
}

result<text_pattern> text_pattern::whole_words(std::string_view words) {
  return make("\\A(?:" + RE2::QuoteMeta(piece(words)) + ")\\z", false);
}

result<text_pattern> text_pattern::words_within(std::string_view words) {
  return make(RE2::QuoteMeta(piece(words)), false);
}

bool text_pattern::found_in(std::string_view text) const {
  return RE2::PartialMatch(piece(text), compiled_->expression);
}

}  // namespace tally
