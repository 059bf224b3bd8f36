#pragma once

#include "api/foreign_event.hpp"

namespace tally::api {

/// Matomo's `/matomo.php`: one request in the query or in a form body, or many in JSON
/// (`{"requests":["?idsite=1&..."],"token_auth"}`).
///
/// - `idsite` is the alias. Without more a request is a page_view titled `action_name`; e_c and e_a
///   make an event named by the action, with props; `search` a site_search, `download` and `link`
///   events of these names, idgoal=0 with ec_id a purchase, idgoal=0 without a cart_update, another
///   idgoal a goal. ping=1 is answered and not kept.
/// - `cid`, else `_id`, is the visitor, `uid` the user; without any the visitor is named by address
///   and agent.
/// - `cdt` older than 24 hours, `cip` and `ua` are believed of a platform key in `token_auth` or
///   Authorization only: else an old `cdt` is refused and the others are ignored.
/// - 200 with an image, 204 where send_image=0, 400 for an unknown site or bad fields; JSON answers
///   `{"status":"success","tracked":n,"invalid":m}`.
[[nodiscard]] foreign_result parse_matomo(const foreign_call& call);

}  // namespace tally::api
