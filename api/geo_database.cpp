#include "api/geo_database.hpp"

#include <arpa/inet.h>
#include <sodium.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "domain/client_time.hpp"

namespace tally::api {
namespace {

/// "AAABAC...ZZ"
constexpr auto letter_pairs = [] {
  std::array<char, std::size_t{26} * 26 * 2> out{};
  for (std::size_t i = 0; i < out.size() / 2; ++i) {
    out[2 * i] = static_cast<char>('A' + i / 26);
    out[2 * i + 1] = static_cast<char>('A' + i % 26);
  }
  return out;
}();

// Those who rent out machines. Networks that people come through by the privacy relays of their
// browsers (Cloudflare, Fastly, Akamai) are not among them.
constexpr std::array<std::uint32_t, 46> hosting_systems{
    7203,  8075,  8100,  8560,   9009,   12876,  14061,  14618,  16276,  16509, 19318, 19994,
    20473, 20860, 24940, 26496,  28753,  29802,  30633,  31898,  32244,  33070, 36351, 36352,
    37963, 40676, 42708, 45090,  45102,  46606,  47583,  49505,  51167,  53667, 55286, 60068,
    60781, 62567, 63949, 132203, 197540, 202053, 212238, 213230, 395954, 396982};
static_assert(std::is_sorted(hosting_systems.begin(), hosting_systems.end()));

bool read_address(std::string_view text, in6_addr& out) {
  std::array<char, INET6_ADDRSTRLEN + 1> buffer{};
  if (text.empty() || text.size() > INET6_ADDRSTRLEN) return false;
  std::copy(text.begin(), text.end(), buffer.begin());
  if (inet_pton(AF_INET6, buffer.data(), &out) == 1) return true;
  in_addr four{};
  if (inet_pton(AF_INET, buffer.data(), &four) != 1) return false;
  std::memset(&out, 0, sizeof out);
  out.s6_addr[10] = out.s6_addr[11] = 0xff;
  std::memcpy(&out.s6_addr[12], &four, sizeof four);
  return true;
}

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  randombytes_buf(&seed, sizeof seed);
  return seed;
}

}  // namespace

std::string_view country_text(std::string_view code) {
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (code.size() != 2 || !capital(code[0]) || !capital(code[1])) return {};
  if (code == "XD" || code == "XX" || code == "ZZ") return {};
  const auto at =
      2 * (static_cast<std::size_t>(code[0] - 'A') * 26 + static_cast<std::size_t>(code[1] - 'A'));
  return std::string_view{letter_pairs.data(), letter_pairs.size()}.substr(at, 2);
}

std::string_view kind_of_network(std::uint32_t autonomous_system) {
  return std::ranges::binary_search(hosting_systems, autonomous_system) ? "hosting"
                                                                        : std::string_view{};
}

std::string day_text(std::int64_t seconds_since_1970) {
  return format_rfc3339(time_from_ms(seconds_since_1970 * 1'000)).substr(0, 10);
}

result<std::shared_ptr<geo_database>> geo_database::open(const std::string& path) {
  std::string file = path;
  std::error_code ignored;
  for (const auto* const usual : usual_paths)
    if (file.empty() && std::filesystem::exists(usual, ignored)) file = usual;
  if (file.empty()) return failure{errc::not_found, "no database of networks is installed"};
  if (!std::filesystem::is_regular_file(file, ignored))
    return failure{errc::not_found, file + ": no such file"};
  auto reader = file.ends_with(".mmdb") ? open_maxmind(file) : open_libloc(file);
  if (!reader) return reader.error();
  return std::shared_ptr<geo_database>{new geo_database{std::move(*reader), file}};
}

geo_database::geo_database(std::unique_ptr<geo_reader> reader, const std::string& path)
    : description_{reader->describe() + " (" + path + ")"},
      seed_{random_seed()},
      reader_{std::move(reader)},
      seen_(remembered_max) {}

geo_place geo_database::find(std::string_view address) {
  in6_addr bytes{};
  if (!read_address(address, bytes)) return {};
  const auto hash = XXH3_64bits_withSeed(&bytes, sizeof bytes, seed_) | 1;
  const std::lock_guard lock{mutex_};
  auto& entry = seen_[hash / 2 % remembered_max];
  if (entry.hash != hash) entry = {hash, reader_->look_up(bytes)};
  return entry.place;
}

}  // namespace tally::api
