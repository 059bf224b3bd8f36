#include "actors/crash_points.hpp"

#include <unistd.h>

#include <array>
#include <charconv>

namespace tally::actors {
namespace {

struct named_point {
  std::string_view name;
  crash_point point;
};
constexpr std::array points{
    named_point{"journal_before_write", crash_point::journal_before_write},
    named_point{"journal_after_write", crash_point::journal_after_write},
    named_point{"registry_before_write", crash_point::registry_before_write},
    named_point{"registry_after_write", crash_point::registry_after_write},
    named_point{"lane_before_apply", crash_point::lane_before_apply},
    named_point{"snapshot_before_write", crash_point::snapshot_before_write},
    named_point{"snapshot_after_write", crash_point::snapshot_after_write},
    named_point{"keeper_before_flush", crash_point::keeper_before_flush},
    named_point{"keeper_after_flush", crash_point::keeper_after_flush},
    named_point{"keeper_after_mark", crash_point::keeper_after_mark},
    named_point{"log_before_drop", crash_point::log_before_drop},
    named_point{"log_after_drop", crash_point::log_after_drop},
    named_point{"generation_after_save", crash_point::generation_after_save},
    named_point{"generation_before_promote", crash_point::generation_before_promote},
    named_point{"generation_mid_promote", crash_point::generation_mid_promote},
    named_point{"generation_after_promote", crash_point::generation_after_promote}};

}  // namespace

status crash_plan::arm(std::string_view text) {
  if (text.empty()) return done{};
  const auto colon = text.find(':');
  const auto name = text.substr(0, colon);
  std::int64_t passings = 1;
  if (colon != std::string_view::npos) {
    const auto number = text.substr(colon + 1);
    const auto* const end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, passings);
    if (read.ec != std::errc{} || read.ptr != end || passings < 1)
      return failure{errc::bad_option,
                     "crash point: '" + std::string{number} + "' is no number of passings"};
  }
  for (const auto& p : points) {
    if (p.name != name) continue;
    left_ = passings;
    at_ = p.point;
    return done{};
  }
  return failure{errc::bad_option, "crash point: there is no '" + std::string{name} + "'"};
}

std::vector<std::string> crash_plan::names() {
  std::vector<std::string> all;
  for (const auto& p : points) all.emplace_back(p.name);
  return all;
}

void crash_plan::passed() {
  // No destructor, no buffer and no exit handler may run: that is the point.
  if (left_.fetch_sub(1) == 1) ::_exit(crash_exit_code);
}

}  // namespace tally::actors
