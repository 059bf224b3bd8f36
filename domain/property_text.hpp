#pragma once

#include <string>
#include <string_view>

namespace tally {

/// The value of one property as text: texts as they are, `true` and `false`, numbers in their
/// shortest decimal form (`2`, `0.5`, `1e+21`). Empty where `props` (a MessagePack map, or empty)
/// has no such key, or a null, a list or a table there. `room` holds what had to be written; the
/// view points into it or into `props`.
[[nodiscard]] std::string_view property_text(std::string_view props, std::string_view key,
                                             std::string& room);

}  // namespace tally
