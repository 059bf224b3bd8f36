#include "api/web_pages.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace tally::api {
namespace {

constexpr std::string_view agent = "tally.js", start = "index.html", below = "/dashboard/";

/// Of the dashboard: what it loads and asks is of this node, it stands in no other page, and it
/// hands no address on.
constexpr std::array<std::pair<const char*, const char*>, 6> of_dashboard{{
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for "
     "'script'; trusted-types 'none'"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-cache"},
}};
/// Of the agent, which pages of any origin load: an hour old is new enough.
constexpr std::array<std::pair<const char*, const char*>, 2> of_agent{{
    {"Cross-Origin-Resource-Policy", "cross-origin"},
    {"Cache-Control", "public, max-age=3600, stale-while-revalidate=86400"},
}};

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  return name.ends_with(".svg") ? "image/svg+xml" : "text/javascript; charset=utf-8";
}

/// Weak, since the same text may go out compressed.
std::string tag_of(const web_file& file) {
  return fmt::format("W/\"{:016x}\"", XXH3_64bits(file.text.data(), file.text.size()));
}

/// Whether the client says that it has the text of this tag.
bool has_already(const http_request& request, std::string_view tag) {
  const auto known = request.header("If-None-Match");
  if (!known) return false;
  return *known == "*" || known->find(tag.substr(2)) != std::string_view::npos;
}

}  // namespace

const web_file* find_web_page(std::string_view path) {
  auto name = path;
  if (path == "/") {
    name = start;
  } else if (path == "/js/tally.js") {
    name = agent;
  } else {
    if (!path.starts_with(below)) return nullptr;
    name.remove_prefix(below.size());
    if (name == start || name == agent) return nullptr;
  }
  const auto all = web_files();
  const auto found = std::ranges::find(all, name, &web_file::name);
  return found == all.end() ? nullptr : &*found;
}

http_response answer_with_page(const web_file& file, const http_request& request) {
  const auto tag = tag_of(file);
  http_response response;
  const auto add = [&](const auto& fields) {
    for (const auto& [name, value] : fields) response.headers.emplace_back(name, value);
  };
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (file.name == agent)
    add(of_agent);
  else
    add(of_dashboard);
  if (has_already(request, tag)) {
    response.status = 304;
    response.content_type.clear();
    return response;
  }
  response.content_type = type_of(file.name);
  response.body = file.text;
  return response;
}

}  // namespace tally::api
