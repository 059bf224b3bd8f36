#include "api/credentials.hpp"

#include <sodium.h>

namespace tally::api {
namespace {

std::string basic_user(std::string_view encoded) {
  std::string text(encoded.size(), '\0');
  std::size_t size = 0;
  const auto failed =
      sodium_base642bin(reinterpret_cast<unsigned char*>(text.data()), text.size(), encoded.data(),
                        encoded.size(), " ", &size, nullptr, sodium_base64_VARIANT_ORIGINAL);
  if (failed != 0) return {};
  text.resize(size);
  return text.substr(0, text.find(':'));
}

}  // namespace

std::string key_of_request(const http_request& request) {
  const auto authorization = request.header("Authorization");
  if (authorization) {
    const auto space = authorization->find(' ');
    if (space != std::string_view::npos) {
      const auto scheme = authorization->substr(0, space);
      auto rest = authorization->substr(space + 1);
      while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
      if (same_token(scheme, "bearer")) return std::string{rest};
      if (same_token(scheme, "basic")) return basic_user(rest);
    }
  }
  return request.parameter("key").value_or(std::string{});
}

}  // namespace tally::api
