// Precompiled for every translation unit of api/: Asio takes seconds to parse.
#include "api/asio.hpp"
//
#include <spdlog/spdlog.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>
