#pragma once

#include <string>
#include <utility>
#include <variant>

#include "domain/ensure.hpp"
#include "domain/errc.hpp"

namespace tally {

/// Why something failed, for a person: `detail` names the field, file or key.
struct failure {
  errc code = errc::io_error;
  std::string detail;

  [[nodiscard]] std::string text() const {
    return std::string{to_string(code)} + (detail.empty() ? "" : ": " + detail);
  }
};

/// A value or the reason why there is none.
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) : content_{std::in_place_index<0>, std::move(value)} {}
  result(failure why) : content_{std::in_place_index<1>, std::move(why)} {}

  [[nodiscard]] bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() {
    ensure(ok(), "value() of a failed result");
    return std::get<0>(content_);
  }
  const T& value() const {
    ensure(ok(), "value() of a failed result");
    return std::get<0>(content_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const failure& error() const {
    ensure(!ok(), "error() of a successful result");
    return std::get<1>(content_);
  }

 private:
  std::variant<T, failure> content_;
};

/// Success without a value.
struct done {};
using status = result<done>;

}  // namespace tally
