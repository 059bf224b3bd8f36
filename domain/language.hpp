#pragma once

#include <string>
#include <string_view>

namespace tally {

/// The first language of a text as tags are written (BCP 47): "en-GB" for "en_gb", "en-GB,en;q=0.9"
/// or "en_GB.UTF-8", "zh-Hant-TW" for "ZH-hant-tw". A text that holds no tag comes back as it is.
[[nodiscard]] std::string normal_language(std::string_view text);

}  // namespace tally
