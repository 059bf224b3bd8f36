#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// A transparent image of one pixel, never to be cached.
[[nodiscard]] http_response pixel_reply();

/// `GET /v1/pixel.gif`: a native event in the query, for pages and mails without scripts. The write
/// key is in `key`; `props.NAME` and `order.FIELD` are what they are in a native event. Without
/// `url` the Referer header is it, without `name` it is a page_view, without `visitor` and `user`
/// the visitor is named by address and agent. 200 with an image; 401 for an unknown key, 400 for
/// fields that cannot be read.
[[nodiscard]] foreign_result parse_pixel(const foreign_call& call);

}  // namespace tally::api
