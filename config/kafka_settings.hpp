#pragma once

#include "api/kafka_source.hpp"
#include "config/settings.hpp"

namespace tally::config {

/// What the [kafka] section says, but for the limits of events. Reads the file of properties;
/// bad_option where something makes no sense.
result<api::kafka_options> make_kafka_options(const settings& from);

}  // namespace tally::config
