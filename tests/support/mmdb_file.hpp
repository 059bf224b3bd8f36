#pragma once

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace tally {

/// A MaxMind database with a few networks, made byte by byte: a tree of bits (nodes of two records
/// of 24 bits), 16 zero bytes, the data, and the metadata behind their marker.
class mmdb_file {
 public:
  static std::string text(std::string_view t) {
    return static_cast<char>(0x40 | t.size()) + std::string{t};
  }
  static std::string yes() { return {"\x01\x07", 2}; }
  static std::string number(std::uint32_t v) { return std::string{"\xc4", 1} + bytes(v, 4); }
  /// Keys and values in turn, each encoded.
  static std::string map(const std::vector<std::string>& parts) {
    std::string out(1, static_cast<char>(0xe0 | parts.size() / 2));
    for (const auto& p : parts) out += p;
    return out;
  }

  /// An IPv4 network lies below ::/96.
  void add(const char* address, unsigned bits, const std::string& data) {
    std::array<std::uint8_t, 16> a{};
    if (inet_pton(AF_INET6, address, a.data()) != 1) {
      inet_pton(AF_INET, address, a.data() + 12);
      bits += 96;
    }
    std::size_t node = 0;
    for (unsigned i = 0; i < bits; ++i) {
      const auto side = static_cast<std::size_t>(a[i / 8] >> (7 - i % 8) & 1);
      if (i + 1 == bits) {
        nodes_[node][side] = leaf - static_cast<std::int64_t>(data_.size());
        break;
      }
      if (nodes_[node][side] < 0) {
        nodes_[node][side] = static_cast<std::int64_t>(nodes_.size());
        nodes_.push_back({empty, empty});
      }
      node = static_cast<std::size_t>(nodes_[node][side]);
    }
    data_ += data;
  }

  void write(const std::string& path) const {
    const auto count = static_cast<std::int64_t>(nodes_.size());
    std::string out;
    for (const auto& node : nodes_)
      for (const auto record : node) {
        const auto value = record >= 0       ? record
                           : record == empty ? count
                                             : count + 16 + leaf - record;
        out += bytes(static_cast<std::uint32_t>(value), 3);
      }
    out += std::string(16, '\0') + data_ + "\xab\xcd\xefMaxMind.com";
    out += map({text("binary_format_major_version"), "\xa1\x02",
                text("binary_format_minor_version"), "\xa0", text("build_epoch"),
                std::string{"\x04\x02", 2} + bytes(1'700'000'000, 4), text("database_type"),
                text("Test-Country"), text("description"), map({}), text("ip_version"), "\xa1\x06",
                text("languages"), std::string{"\x00\x04", 2}, text("node_count"),
                number(static_cast<std::uint32_t>(count)), text("record_size"), "\xa1\x18"});
    std::ofstream{path, std::ios::binary} << out;
  }

 private:
  static constexpr std::int64_t empty = -1, leaf = -2;

  static std::string bytes(std::uint32_t v, unsigned count) {
    std::string out;
    for (unsigned i = count; i-- > 0;) out += static_cast<char>(v >> (8 * i));
    return out;
  }

  std::vector<std::array<std::int64_t, 2>> nodes_{{empty, empty}};
  std::string data_;
};

}  // namespace tally
