#include "actors/replication.hpp"

#include <algorithm>

namespace tally::actors {

persistence::salt_maker shared_salts(replication* copies) {
  if (copies == nullptr) return {};
  return [copies](std::int64_t day) -> result<persistence::daily_salt> {
    const auto secret = copies->secret("salt-" + std::to_string(day));
    if (!secret) return secret.error();
    persistence::daily_salt salt;
    salt.day = day;
    if (secret->size() < salt.key.size()) return failure{errc::corrupt_record, "salt: too short"};
    std::copy_n(secret->begin(), salt.key.size(), salt.key.begin());
    return salt;
  };
}

}  // namespace tally::actors
