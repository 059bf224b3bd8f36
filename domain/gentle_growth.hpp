#pragma once

#include <vector>

namespace tally {

/// Makes room for one more element: nothing to spare while there are few, since most merchants have
/// few of everything; half as much again once there are many.
template <class T>
void grow_gently(std::vector<T>& v) {
  const auto size = v.size();
  if (size < v.capacity()) return;
  v.reserve(size + (size < 8 ? 1 : size < 16 ? 2 : size / 2));
}

}  // namespace tally
