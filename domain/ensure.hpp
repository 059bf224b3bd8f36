#pragma once

#include <cstdio>
#include <cstdlib>

namespace tally {

/// Checks what only our own mistake could make false. Stays on in release builds.
inline void ensure(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bug: %s\n", what);
  std::abort();
}

}  // namespace tally
