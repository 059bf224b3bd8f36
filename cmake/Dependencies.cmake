# Every third-party library as an imported target, with Debian 12 and Debian 13 names.

# Debian's CAF 0.17.6, xxHash, zstd, sodium, edit and jemalloc ship no CMake package file.
function(tally_import target header library)
  string(MAKE_C_IDENTIFIER ${target} id)
  find_path(${id}_INCLUDE ${header} REQUIRED)
  find_library(${id}_LIBRARY ${library} REQUIRED)
  add_library(${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${${id}_LIBRARY})
  if(NOT ${id}_INCLUDE STREQUAL "/usr/include")
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${${id}_INCLUDE})
  endif()
endfunction()

tally_import(caf::core caf/all.hpp caf_core)
tally_import(caf::io caf/io/all.hpp caf_io)
tally_import(xxhash::xxhash xxhash.h xxhash)
tally_import(zstd::zstd zstd.h zstd)
tally_import(sodium::sodium sodium.h sodium)
tally_import(edit::edit histedit.h edit)
tally_import(re2::re2 re2/re2.h re2)
find_package(ZLIB REQUIRED)
find_package(spdlog REQUIRED)
find_package(RocksDB REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost 1.74 REQUIRED)

add_library(rocksdb::rocksdb INTERFACE IMPORTED GLOBAL)
target_link_libraries(rocksdb::rocksdb INTERFACE RocksDB::rocksdb-shared)
add_library(prometheus::core INTERFACE IMPORTED GLOBAL)
target_link_libraries(prometheus::core INTERFACE prometheus-cpp::core)
add_library(tomlplusplus::headers INTERFACE IMPORTED GLOBAL)
target_link_libraries(tomlplusplus::headers INTERFACE tomlplusplus::tomlplusplus)

# msgpack-c's C++ package: bookworm says msgpack/msgpackc-cxx, trixie says msgpack-cxx/msgpack-cxx.
add_library(msgpack::cxx INTERFACE IMPORTED GLOBAL)
find_package(msgpack-cxx CONFIG QUIET)
if(msgpack-cxx_FOUND)
  target_link_libraries(msgpack::cxx INTERFACE msgpack-cxx)
else()
  find_package(msgpack CONFIG REQUIRED)
  target_link_libraries(msgpack::cxx INTERFACE msgpackc-cxx)
endif()

add_library(asio::beast INTERFACE IMPORTED GLOBAL)
target_link_libraries(asio::beast INTERFACE Boost::headers Threads::Threads)

find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
add_library(CLI11::headers INTERFACE IMPORTED GLOBAL)

# jemalloc must not be linked under a sanitizer, which brings its own allocator.
add_library(jemalloc::optional INTERFACE IMPORTED GLOBAL)
find_library(JEMALLOC jemalloc)
if(JEMALLOC AND NOT CMAKE_CXX_FLAGS MATCHES "sanitize")
  target_link_libraries(jemalloc::optional INTERFACE ${JEMALLOC})
endif()
