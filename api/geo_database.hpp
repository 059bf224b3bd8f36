#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

struct in6_addr;

namespace tally::api {

/// Where an address is and what sort of network it belongs to. Static texts.
struct geo_place {
  std::string_view country;  // ISO 3166: "GB"; empty where it is not known
  std::string_view kind;     // "hosting", "proxy", "drop" (known for attacks), or empty
};

/// Reads one file of networks: libloc's or MaxMind's. For one thread at a time.
class geo_reader {
 public:
  virtual ~geo_reader() = default;
  /// An IPv4 address is mapped (::ffff:a.b.c.d).
  [[nodiscard]] virtual geo_place look_up(const in6_addr& address) = 0;
  /// What the file says of itself: "libloc 2022-10-29".
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// The networks of the world, from a file on this machine. Remembers the places (and hashes, not
/// the addresses) of what was asked last. May be used from any thread.
class geo_database {
 public:
  /// Where Debian's packages put libloc's database; the first that exists is taken.
  static constexpr std::array<const char*, 2> usual_paths{"/var/lib/location/database.db",
                                                          "/usr/share/libloc-location/location.db"};

  /// libloc's file, or MaxMind's where the name ends in .mmdb. An empty path: the usual ones.
  /// not_found, or bad_option where the file is no such thing.
  static result<std::shared_ptr<geo_database>> open(const std::string& path);

  /// Nothing of a text that is no address.
  [[nodiscard]] geo_place find(std::string_view address);
  [[nodiscard]] const std::string& description() const { return description_; }

 private:
  struct remembered {
    std::uint64_t hash = 0;
    geo_place place;
  };
  static constexpr std::size_t remembered_max = 65'536;  // 2.5 MiB

  geo_database(std::unique_ptr<geo_reader> reader, const std::string& path);

  std::string description_;
  std::uint64_t seed_;
  std::mutex mutex_;
  std::unique_ptr<geo_reader> reader_;
  std::vector<remembered> seen_;
};

/// libloc's or MaxMind's file; used by geo_database::open.
result<std::unique_ptr<geo_reader>> open_libloc(const std::string& path);
result<std::unique_ptr<geo_reader>> open_maxmind(const std::string& path);

/// Two capital letters as a static text; empty where they are none or stand for no country.
[[nodiscard]] std::string_view country_text(std::string_view code);
/// "hosting" where that number is one of our own list of data centres.
[[nodiscard]] std::string_view kind_of_network(std::uint32_t autonomous_system);
/// "2022-10-29"
[[nodiscard]] std::string day_text(std::int64_t seconds_since_1970);

}  // namespace tally::api
