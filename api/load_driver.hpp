#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

namespace tally::api {

/// How a benchmark sends its requests.
struct drive_options {
  std::string host_port;  // "127.0.0.1:8080"
  std::size_t connections = 16;
  double requests_per_s = 0;  // 0: each connection sends again as soon as it has its answer
  std::chrono::milliseconds patience{60'000};  // without any answer on any connection
};

/// What came of it.
struct drive_result {
  std::uint64_t answers = 0, failures = 0;  // a failure: any status but 200
  std::string first_failure;                // its status and body
  double seconds = 0;                       // from the first request to the last answer
  std::vector<std::uint32_t> latencies_us;  // ascending; where paced, from when it was due

  /// Microseconds at quantile q of 0..1; 0 without answers.
  [[nodiscard]] std::uint32_t quantile_us(double q) const;
  [[nodiscard]] double per_second() const {
    return seconds > 0 ? static_cast<double>(answers) / seconds : 0;
  }
};

/// Sends whole HTTP/1.1 requests over kept-alive connections, one in flight on each, until `next`
/// gives an empty one and every answer is in. `next` and `see` (body of each 200) run on the
/// calling thread, which does all the work; what `next` gives must stay until the answer.
/// unavailable where a connection fails or nothing answers for `patience`.
result<drive_result> drive(const drive_options& options,
                           const std::function<std::string_view()>& next,
                           const std::function<void(std::string_view body)>& see);

/// A whole request as drive() sends it.
[[nodiscard]] std::string load_request(std::string_view target, std::string_view key,
                                       std::string_view body);

}  // namespace tally::api
