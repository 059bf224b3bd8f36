#pragma once

#include <string_view>

namespace tally {

/// The class of a screen written as its width and height in pixels ("1920x1080") or its width
/// alone: "mobile" below 576, "tablet" below 992, "laptop" below 1440, else "desktop". Nothing for
/// any other text.
[[nodiscard]] std::string_view screen_class(std::string_view screen);

}  // namespace tally
