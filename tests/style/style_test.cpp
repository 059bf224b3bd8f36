// Checks what a reviewer should not have to: include direction, sizes, banned words, and which
// folder may know which library.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

/// From the bottom to the top; a file may include its own folder and those before it.
constexpr std::array layers{"domain"sv, "persistence"sv, "actors"sv, "cluster"sv,
                            "api"sv,    "config"sv,      "apps"sv};
/// Folders that only have to keep the sizes.
constexpr std::array others{"tests"sv, "bench"sv};
constexpr std::size_t line_columns_max = 100;
constexpr std::size_t file_lines_max = 500;

struct ban {
  std::string_view word, instead;
  std::vector<std::string_view> allowed;  // folders that may use it
};
const std::vector<ban> bans{
    {"caf::infinite", "a timeout from the options", {}},
    {"std::cout", "spdlog, or a caller's stream", {"apps"}},
    {"sleep_for", "a delayed message or a timer", {"apps"}},
    {"FIXME", "fix it before the merge", {}},
};

struct library {
  std::regex header;  // of the text between < and >
  std::string_view name;
  std::vector<std::string_view> folders;  // where a path begins with one of these
};
const std::vector<library> libraries{
    {std::regex{R"(boost/(asio|beast)\b.*)"}, "Asio", {"api/", "cluster/"}},
    {std::regex{R"(caf/.*)"}, "CAF", {"actors/", "cluster/", "api/", "config/", "apps/"}},
    {std::regex{R"(rocksdb/.*)"}, "RocksDB", {"persistence/"}},
    {std::regex{R"(msgpack(\.hpp|/.*))"}, "MessagePack", {"persistence/", "api/ingest"}},
    {std::regex{R"(librdkafka/.*)"}, "librdkafka", {"api/kafka/", "tests/kafka/"}},
    {std::regex{R"(iostream)"}, "iostream", {"apps/"}},
};

struct finding {
  std::size_t line;
  std::string what;
};

/// Place of a folder in `layers`, or `layers.size()` if it is none of ours.
std::size_t layer_of(std::string_view folder) {
  return static_cast<std::size_t>(std::ranges::find(layers, folder) - layers.begin());
}

bool begins_with_one_of(std::string_view path, const std::vector<std::string_view>& prefixes) {
  return std::ranges::any_of(prefixes, [&](auto prefix) { return path.starts_with(prefix); });
}

/// Characters of a line, not bytes: what is in UTF-8 takes one column.
std::size_t columns_of(const std::string& line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// A table made by a program says so in its first line, and may be as long as it must.
bool is_made(const std::vector<std::string>& lines) {
  return !lines.empty() && lines.front().starts_with("// Made by scripts/");
}

void check_include(std::string_view path, std::string_view folder, const std::string& line,
                   std::size_t number, std::vector<finding>& found) {
  static const std::regex ours{R"re(^\s*#\s*include\s*"([^/"]+)/.*)re"};
  static const std::regex theirs{R"re(^\s*#\s*include\s*<([^>]+)>.*)re"};
  std::smatch match;
  if (std::regex_match(line, match, ours)) {
    const auto target = layer_of(match[1].str());
    if (target != layers.size() && target > layer_of(folder))
      found.push_back({number, "includes to the right: " + line});
  }
  if (!std::regex_match(line, match, theirs)) return;
  const auto header = match[1].str();
  for (const auto& lib : libraries)
    if (std::regex_match(header, lib.header) && !begins_with_one_of(path, lib.folders))
      found.push_back({number, std::string{lib.name} + " does not belong here: " + line});
}

/// All that is wrong with one file. `path` is relative to the root.
std::vector<finding> check_file(std::string_view path, const std::vector<std::string>& lines) {
  std::vector<finding> found;
  if (is_made(lines)) return found;
  const auto folder = path.substr(0, path.find('/'));
  const bool layered = layer_of(folder) != layers.size();
  if (lines.size() > file_lines_max) found.push_back({lines.size(), "file has too many lines"});
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto& line = lines[i];
    if (columns_of(line) > line_columns_max) found.push_back({i + 1, "line too long"});
    if (!layered) continue;
    for (const auto& b : bans)
      if (line.find(b.word) != std::string::npos && !std::ranges::count(b.allowed, folder))
        found.push_back({i + 1, std::string{b.word} + " is banned, use " + std::string{b.instead}});
    check_include(path, folder, line, i + 1, found);
  }
  return found;
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::ifstream file{path};
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

bool is_source(const fs::path& path) {
  return path.extension() == ".hpp" || path.extension() == ".cpp";
}

TEST(style, every_source_file_keeps_the_rules) {
  const fs::path root{SOURCE_ROOT};
  std::size_t files = 0;
  auto folders = std::vector<std::string_view>{layers.begin(), layers.end()};
  folders.insert(folders.end(), others.begin(), others.end());
  for (auto folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator{root / folder}) {
      if (!is_source(entry.path())) continue;
      ++files;
      const auto path = fs::relative(entry.path(), root).generic_string();
      for (const auto& f : check_file(path, read_lines(entry.path())))
        ADD_FAILURE() << path << ':' << f.line << ": " << f.what;
    }
  }
  EXPECT_GT(files, 20u) << "looked in the wrong place";
}

TEST(style, the_check_notices_each_kind_of_offence) {
  struct offence {
    std::string_view path, line;
    bool bad;
  };
  const offence cases[] = {
      {"domain/a.hpp", R"(#include "persistence/journal.hpp")", true},
      {"persistence/a.hpp", R"(#include "domain/event.hpp")", false},
      {"actors/a.cpp", R"(#include "api/server.hpp")", true},
      {"apps/a.cpp", R"(#include "config/settings.hpp")", false},
      {"domain/a.cpp", "#include <rocksdb/db.h>", true},
      {"persistence/a.cpp", "#include <rocksdb/db.h>", false},
      {"actors/a.cpp", "#include <rocksdb/env.h>", true},
      {"persistence/a.cpp", "#include <caf/all.hpp>", true},
      {"actors/a.cpp", "#include <caf/all.hpp>", false},
      {"actors/a.cpp", "#include <boost/asio.hpp>", true},
      {"actors/a.cpp", "#include <boost/container/flat_map.hpp>", false},
      {"api/a.cpp", "#include <boost/beast/core.hpp>", false},
      {"api/query.cpp", "#include <msgpack.hpp>", true},
      {"api/ingest/msgpack.cpp", "#include <msgpack.hpp>", false},
      {"api/a.cpp", "#include <iostream>", true},
      {"apps/a.cpp", "#include <iostream>", false},
      {"actors/a.cpp", "self->request(a, caf::infinite, x)", true},
      {"config/a.cpp", "std::cout << 1;", true},
      {"apps/a.cpp", "std::cout << 1;", false},
      {"api/a.cpp", "std::this_thread::sleep_for(1s);", true},
      {"tests/api/a.cpp", "std::this_thread::sleep_for(1s);", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(!check_file(c.path, {std::string{c.line}}).empty(), c.bad) << c.path << ' ' << c.line;
  EXPECT_FALSE(check_file("tests/a.cpp", {std::string(line_columns_max + 1, 'x')}).empty());
  EXPECT_TRUE(
      check_file("tests/a.cpp", {std::string(line_columns_max - 1, 'x') + "\u00e9"}).empty());
  EXPECT_FALSE(check_file("tests/a.cpp", std::vector<std::string>(file_lines_max + 1)).empty());
  EXPECT_TRUE(check_file("tests/a.cpp", std::vector<std::string>(file_lines_max)).empty());
}

}  // namespace
