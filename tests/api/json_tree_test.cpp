#include "api/json_tree.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "api/json_text.hpp"

namespace tally::api {
namespace {

bool readable(json_reader& reader, const std::string& text) {
  json_tree tree;
  std::string padded = text + std::string(json_reader::padding, '}');
  return !reader.read_object(std::string_view{padded}.substr(0, text.size()), tree);
}

// Nothing where the other parser has a limit of its own: it refuses what no double can hold.
std::optional<bool> accepts(const std::string& text) {
  try {
    return !nlohmann::json::parse(text).is_discarded();
  } catch (const nlohmann::json::out_of_range&) {
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

TEST(json_reader, accepts_exactly_what_another_parser_accepts) {
  const std::string seed =
      R"({"a":[1,-0.5e+10,true,false,null,"x\n\u00e9"],"b":{"c":{},"d":[]},"e":"z"})";
  constexpr std::string_view pieces = "{}[]\",:\\ 0123456789eE+-.truefalsn\x80";
  std::mt19937 random{7};
  json_reader reader;
  int accepted = 0;
  for (int i = 0; i < 30'000; ++i) {
    auto text = seed;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = pieces[random() % pieces.size()];
          break;
        case 1:
          text.erase(at, 1);
          break;
        default:
          text.insert(at, 1, pieces[random() % pieces.size()]);
          break;
      }
    }
    const auto verdict = accepts(text);
    if (!verdict) continue;
    const bool expected = *verdict && text[text.find_first_not_of(" ")] == '{';
    ASSERT_EQ(readable(reader, text), expected) << text;
    if (expected) ++accepted;
  }
  EXPECT_GT(accepted, 1'000);
}

TEST(json_reader, walks_objects_and_arrays_in_order) {
  json_reader reader;
  json_tree tree;
  std::string text = R"( {"a":[1,[2],{}],"b":"x","a":null} )";
  text.reserve(text.size() + json_reader::padding);
  ASSERT_FALSE(reader.read_object(text, tree));
  const auto& root = tree.nodes.front();
  EXPECT_EQ(root.count, 3u);
  EXPECT_EQ(root.depth, 3u);
  EXPECT_EQ(root.text, R"({"a":[1,[2],{}],"b":"x","a":null})");
  std::string keys, elements;
  for (const auto& [key, value] : json_fields(root)) keys += key;
  for (const auto& element : json_elements(*(&root + 2))) elements += element.text;
  EXPECT_EQ(keys, "aba");
  EXPECT_EQ(elements, "1[2]{}");
  EXPECT_TRUE(find_field(&root, "a")->is(json_kind::null));
  EXPECT_EQ(find_field(&root, "c"), nullptr);
  EXPECT_EQ(find_field(find_field(&root, "b"), "c"), nullptr);
}

TEST(append_json_text, escapes_what_needs_it) {
  std::string out;
  append_json_text(out, "a\"\\\n\x01\xC3\xA9\xFFz");
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBDz\"");
}

}  // namespace
}  // namespace tally::api
