#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// Jitsu's `POST /api/s/track`, `/page` and `/identify`: Segment's messages, with the key in
/// `X-Write-Key` as "id:secret", which stands for a merchant as `segment:id:secret`, or is a write
/// key. 200 `{"ok":true}`; 400 for a body that cannot be read, 401 for an unknown key.
[[nodiscard]] foreign_result parse_jitsu(const foreign_call& call);

}  // namespace tally::api
