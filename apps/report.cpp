#include <cstdio>

#include "apps/commands.hpp"

namespace tally::apps {

int report(const failure& why) {
  std::fprintf(stderr, "tally: %s\n", why.text().c_str());
  switch (why.code) {
    case errc::bad_option:
    case errc::bad_request:
      return exit_usage;
    case errc::not_found:
      return exit_not_found;
    case errc::unauthorized:
    case errc::forbidden:
      return exit_unauthorized;
    case errc::unavailable:
    case errc::over_limit:
      return exit_unavailable;
    default:
      return exit_failure;
  }
}

}  // namespace tally::apps
