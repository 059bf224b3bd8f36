#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/result.hpp"

namespace tally::persistence {

/// A place in a text, both counted from 1, columns in bytes.
struct text_place {
  std::size_t line = 1, column = 1;
};

/// A value of a TOML or JSON document with the place where it begins.
struct document_node {
  enum class form : std::uint8_t { none, text, integer, flag, list, table, other } is = form::none;
  text_place place;
  std::string text;          // of text
  std::int64_t integer = 0;  // of integer
  bool flag = false;
  std::vector<document_node> items;  // of list; of table: the values of `keys`
  struct key {
    std::string name;
    text_place place;
  };
  std::vector<key> keys;  // of table
};

/// Nested deeper, a document is refused.
constexpr std::size_t document_depth_max = 32;

/// Reads JSON where the first character is a brace, else TOML. bad_request with the place of what
/// cannot be read.
result<document_node> read_document(std::string_view text);

/// "line 3, column 5: " and what is wrong there.
[[nodiscard]] failure wrong_at(const text_place& place, const std::string& what);

}  // namespace tally::persistence
