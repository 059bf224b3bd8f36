// Precompiled for every translation unit of actors/: CAF and spdlog take seconds to parse.
#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <memory>
#include <string>
#include <vector>
