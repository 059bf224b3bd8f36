#include "domain/language.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace tally {
namespace {

TEST(normal_language, writes_tags_in_one_form) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"en-GB", "en-GB"},
      {"en_gb", "en-GB"},
      {"EN-gb", "en-GB"},
      {"en", "en"},
      {"DE", "de"},
      {"en-GB,en;q=0.9,de;q=0.8", "en-GB"},
      {"fr;q=0.9", "fr"},
      {" pt-br ", "pt-BR"},
      {"en_GB.UTF-8", "en-GB"},
      {"sr_RS@latin", "sr-RS"},
      {"zh-hant-tw", "zh-Hant-TW"},
      {"es-419", "es-419"},
      {"de-CH-1996", "de-CH-1996"},
      {"sl-ROZAJ", "sl-rozaj"},
      {"ast", "ast"}};
  for (const auto& [text, want] : cases) EXPECT_EQ(normal_language(text), want) << text;
}

TEST(normal_language, leaves_what_is_no_tag) {
  for (const std::string_view text : {"", "*", "C", "english", "en-", "en--GB", "-GB", "en-GB-",
                                      "12", "en GB", "\xc3\xa9n-GB", "en-verylongpart", ",en", ";"})
    EXPECT_EQ(normal_language(text), text);
}

}  // namespace
}  // namespace tally
