#include "api/import_lines.hpp"

#include <xxhash.h>

#include <unordered_set>
#include <utility>

#include "api/json_text.hpp"

namespace tally::api {

namespace {

constexpr std::size_t lines_remembered = 2'000'000, last_lines = 4'096;
constexpr std::string_view hex = "0123456789abcdef";

}  // namespace

std::string hash_text(std::string_view text) {
  const auto hash = XXH3_128bits(text.data(), text.size());
  std::string out;
  for (const auto half : {hash.high64, hash.low64}) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      out += hex[(half >> static_cast<unsigned>(shift)) & 15U];
    }
  }
  return out;
}

std::string line_ids::next(std::string_view text) {
  const auto key = XXH3_64bits(text.data(), text.size());
  if (recent_.size() >= lines_remembered) older_ = std::exchange(recent_, {});
  auto [found, fresh] = recent_.try_emplace(key, 0);
  if (fresh) {
    const auto before = older_.find(key);
    if (before != older_.end()) found->second = before->second;
  }
  const auto count = ++found->second;
  note(key);
  auto id = hash_text(text);
  if (count > 1) id += "-" + std::to_string(count);
  return id;
}

void line_ids::note(std::uint64_t hash) {
  if (last_.size() >= last_lines) last_.pop_front();
  last_.push_back(hash);
}

std::vector<line_count> line_ids::last() const {
  std::vector<line_count> lines;
  std::unordered_set<std::uint64_t> given;
  for (const auto hash : last_) {
    if (!given.insert(hash).second) continue;
    const auto found = recent_.find(hash);
    lines.push_back({hash, found == recent_.end() ? older_.at(hash) : found->second});
  }
  return lines;
}

void line_ids::remember(const std::vector<line_count>& lines) {
  for (const auto& line : lines) {
    recent_[line.hash] = line.count;
    note(line.hash);
  }
}

void append_field(std::string& json, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  json += ",\"";
  json += name;
  json += "\":";
  append_json_text(json, text);
}

}  // namespace tally::api
