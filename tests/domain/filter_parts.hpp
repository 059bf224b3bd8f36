#pragma once

#include <string>
#include <utility>
#include <vector>

#include "domain/ensure.hpp"
#include "domain/event_filter.hpp"

namespace tally {

/// A comparison, compiled.
inline event_filter compared(filter_op op, std::string field, std::vector<std::string> values,
                             bool case_sensitive = true) {
  event_filter f;
  f.op = op;
  f.field = std::move(field);
  f.values = std::move(values);
  f.case_sensitive = case_sensitive;
  ensure(compile(f).ok(), "a filter must compile");
  return f;
}

/// and, or, not, has_done, has_not_done.
inline event_filter joined(filter_op op, std::vector<event_filter> parts) {
  event_filter f;
  f.op = op;
  f.parts = std::move(parts);
  return f;
}

}  // namespace tally
