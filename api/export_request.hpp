#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "actors/engine.hpp"
#include "api/export_text.hpp"
#include "api/http_message.hpp"
#include "domain/result.hpp"

namespace tally::api {

/// What GET /v1/export and `tally export` ask for.
struct export_request {
  actors::export_wish wish;
  export_format format = export_format::ndjson;
};

/// Gives the value of a parameter, nothing where it is absent.
using parameter_source = std::function<std::optional<std::string>(std::string_view name)>;

/// Reads limit (1 to 100,000 events), cursor, from, to and format. bad_request names the parameter.
/// The merchant is the caller's business.
result<export_request> parse_export(const parameter_source& parameter);

/// A page as text.
struct exported_text {
  std::string body;
  std::string cursor;  // what continues behind this page, also later
  bool more = false;   // there may be more already
};
/// The answer of GET /v1/export. The cursor is always given: new events continue behind it.
[[nodiscard]] http_response export_answer(exported_text page, export_format format);
/// `then` may run on any thread.
void run_export(actors::engine& engine, export_request request, std::chrono::milliseconds timeout,
                actors::callback<exported_text> then);

/// The console command `export JSON`, whose members are the parameters above and `merchant`, to
/// {"body", "cursor", "more"}.
void run_export_command(actors::engine& engine, const std::string& request,
                        actors::callback<std::string> then);

}  // namespace tally::api
