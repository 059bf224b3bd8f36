#include <maxminddb.h>
#include <netinet/in.h>

#include <array>
#include <initializer_list>

#include "api/geo_database.hpp"

namespace tally::api {
namespace {

class maxmind_reader : public geo_reader {
 public:
  maxmind_reader() = default;
  maxmind_reader(const maxmind_reader&) = delete;
  maxmind_reader& operator=(const maxmind_reader&) = delete;
  ~maxmind_reader() override {
    if (open_) MMDB_close(&file_);
  }

  status open(const std::string& path) {
    const int error = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &file_);
    if (error != MMDB_SUCCESS)
      return failure{errc::bad_option, path + ": is no MaxMind database: " + MMDB_strerror(error)};
    open_ = true;
    return done{};
  }

  geo_place look_up(const in6_addr& address) override {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = address;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    std::copy(&address.s6_addr[12], &address.s6_addr[16],
              reinterpret_cast<unsigned char*>(&four.sin_addr));
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&address);
    const auto* const where =
        mapped ? reinterpret_cast<const sockaddr*>(&four) : reinterpret_cast<const sockaddr*>(&six);
    int error = MMDB_SUCCESS;
    auto found = MMDB_lookup_sockaddr(&file_, where, &error);
    if (error != MMDB_SUCCESS || !found.found_entry) return {};
    auto country = text_at(found.entry, {"country", "iso_code"});
    if (country.empty()) country = text_at(found.entry, {"registered_country", "iso_code"});
    return {country_text(country), kind_of(found.entry)};
  }

  [[nodiscard]] std::string describe() const override {
    return std::string{file_.metadata.database_type} + ' ' +
           day_text(static_cast<std::int64_t>(file_.metadata.build_epoch));
  }

 private:
  using path_names = std::initializer_list<const char*>;

  static MMDB_entry_data_s value_at(MMDB_entry_s& entry, path_names names) {
    std::array<const char*, 4> words{};
    std::copy(names.begin(), names.end(), words.begin());  // the rest ends it
    MMDB_entry_data_s value{};
    if (MMDB_aget_value(&entry, &value, words.data()) != MMDB_SUCCESS) value.has_data = false;
    return value;
  }
  static std::string_view text_at(MMDB_entry_s& entry, path_names names) {
    const auto value = value_at(entry, names);
    if (!value.has_data || value.type != MMDB_DATA_TYPE_UTF8_STRING) return {};
    return {value.utf8_string, value.data_size};
  }
  static bool is_set(MMDB_entry_s& entry, path_names names) {
    const auto value = value_at(entry, names);
    return value.has_data && value.type == MMDB_DATA_TYPE_BOOLEAN && value.boolean;
  }
  static std::string_view kind_of(MMDB_entry_s& entry) {
    if (is_set(entry, {"traits", "is_anonymous_proxy"}) || is_set(entry, {"is_anonymous"}))
      return "proxy";
    if (is_set(entry, {"traits", "is_hosting_provider"}) || is_set(entry, {"is_hosting_provider"}))
      return "hosting";
    const auto number = value_at(entry, {"autonomous_system_number"});
    return number.has_data && number.type == MMDB_DATA_TYPE_UINT32 ? kind_of_network(number.uint32)
                                                                   : std::string_view{};
  }

  MMDB_s file_{};
  bool open_ = false;
};

}  // namespace

result<std::unique_ptr<geo_reader>> open_maxmind(const std::string& path) {
  auto reader = std::make_unique<maxmind_reader>();
  if (auto opened = reader->open(path); !opened) return opened.error();
  return std::unique_ptr<geo_reader>{std::move(reader)};
}

}  // namespace tally::api
