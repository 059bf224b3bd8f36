#include "persistence/ruleset_text.hpp"

#include <gtest/gtest.h>

#include "persistence/document_tree.hpp"

namespace tally::persistence {
namespace {

constexpr std::string_view whole = R"(
visit_timeout_minutes = 20
late_visit_hours = 12
[names]
"Order Completed" = "purchase"
refund = "purchase"
heartbeat = "ignore"
[[drop]]
reason = "bot"
filter = ["matches", "visit:agent", ["(?i)bot|crawl|spider"]]
[[drop]]
reason = "staff"
filter = ["and", [["is", "visit:network", ["10.0.0.0/24"]],
  ["not", ["contains", "event:page", ["/shop"], {case_sensitive = false}]]]]
[[correct]]
range = ["2011-03-01", "2011-03-02"]
filter = ["is", "event:name", ["purchase"]]
set = { "order.currency" = "GBP" }
[[correct]]
range = ["2011-03-03", "2011-03-03"]
shift_minutes = -60
[[correct]]
filter = ["is", "event:visitor", ["test"]]
drop = true
)";

TEST(ruleset_text, a_whole_document_is_read) {
  const auto read = read_ruleset(whole);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->visit_timeout, std::chrono::minutes{20});
  EXPECT_EQ(read->late_visit, std::chrono::hours{12});
  EXPECT_EQ(read->kind_of("refund"), counts_as::purchase);
  EXPECT_EQ(read->kind_of("heartbeat"), counts_as::ignore);
  EXPECT_EQ(read->kind_of("checkout"), counts_as::checkout);
  ASSERT_EQ(read->drops.size(), 2u);
  EXPECT_EQ(read->drops[1].reason, "staff");
  ASSERT_EQ(read->corrections.size(), 3u);
  EXPECT_EQ(read->corrections[0].set.at("order.currency"), "GBP");
  EXPECT_EQ(read->corrections[1].shift, std::chrono::minutes{-60});
  EXPECT_TRUE(read->corrections[2].drop);
}

TEST(ruleset_text, properties_and_items_are_fields_too) {
  for (const auto* field : {"event:props:plan", "event:product", "event:coupon"}) {
    const auto read = read_ruleset(std::string{"[[drop]]\nreason = \"x\"\nfilter = [\"is\", \""} +
                                   field + "\", [\"gold\"]]");
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->drops.at(0).filter.field, field);
  }
}

TEST(ruleset_text, the_canonical_form_is_stable_and_means_the_same) {
  const auto read = read_ruleset(whole);
  ASSERT_TRUE(read);
  const auto text = write_ruleset(*read);
  const auto again = read_ruleset(text);
  ASSERT_TRUE(again) << again.error().text() << '\n' << text;
  EXPECT_EQ(write_ruleset(*again), text);
  EXPECT_EQ(again->names, read->names);
  // The bytes rest in journals: they must not change by themselves.
  EXPECT_EQ(
      text,
      R"({"correct":[{"filter":["is","event:name",["purchase"]],)"
      R"("range":["2011-03-01","2011-03-02"],)"
      R"("set":{"order.currency":"GBP"}},)"
      R"({"range":["2011-03-03","2011-03-03"],"shift_minutes":-60},)"
      R"({"drop":true,"filter":["is","event:visitor",["test"]]}],"drop":[{"filter":["matches",)"
      R"("visit:agent",["(?i)bot|crawl|spider"]],"reason":"bot"},{"filter":["and",[["is",)"
      R"("visit:network",["10.0.0.0/24"]],["not",["contains","event:page",["/shop"],)"
      R"({"case_sensitive":false}]]]],"reason":"staff"}],"late_visit_hours":12,"names":)"
      R"({"Order Completed":"purchase","heartbeat":"ignore","refund":"purchase"},)"
      R"("visit_timeout_minutes":20})");
}

TEST(ruleset_text, an_empty_document_is_the_default) {
  for (const auto* text :
       {"", "{}", "# nothing\n", "[names]\nrefund = \"refund\"\nx = \"custom\""}) {
    const auto read = read_ruleset(text);
    ASSERT_TRUE(read) << text << ' ' << read.error().text();
    EXPECT_EQ(write_ruleset(*read), write_ruleset(ruleset{})) << text;
  }
}

TEST(ruleset_text, what_is_wrong_is_named_with_its_place) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"visit_timeot_minutes = 30",
       "line 1, column 1: unknown key 'visit_timeot_minutes'; did you mean "
       "'visit_timeout_minutes'?"},
      {"\nvisit_timeout_minutes = 0",
       "line 2, column 25: visit_timeout_minutes must be a whole number from 1 to 1440"},
      {"late_visit_hours = \"6\"",
       "line 1, column 20: late_visit_hours must be a whole number from 1 to 168"},
      {"[names]\nbuy = \"purchas\"",
       "line 2, column 7: 'purchas' is nothing that 'buy' can count as; did you mean "
       "'purchase'?"},
      {"[[drop]]\nreason = \"a b\"\nfilter = [\"is\", \"event:name\", [\"x\"]]",
       "line 2, column 10: reason must be 1 to 64 characters of a-z 0-9 _"},
      {"[[drop]]\nreason = \"x\"", "line 1, column 1: filter is missing"},
      {"[[drop]]\nreason = \"x\"\nfilter = [\"iss\", \"event:name\", [\"x\"]]",
       "line 3, column 11: unknown operator 'iss'; did you mean 'is'?"},
      {"[[drop]]\nreason = \"x\"\nfilter = [\"has_done\", [\"is\", \"event:name\", [\"x\"]]]",
       "line 3, column 11: unknown operator 'has_done'"},
      {"[[drop]]\nreason = \"x\"\nfilter = [\"is\", \"event:nam\", [\"x\"]]",
       "line 3, column 17: no field 'event:nam' of one event; did you mean 'event:name'?"},
      {"[[drop]]\nreason = \"x\"\nfilter = [\"is\", \"event:props:\", [\"x\"]]",
       "line 3, column 17: no field 'event:props:' of one event"},
      {"[[drop]]\nreason = \"x\"\nfilter = [\"is\", \"event:name\", []]",
       "line 3, column 31: 1 to 1000 values"},
      {"[[correct]]\ndrop = true", "line 1, column 1: a correction needs a range or a filter"},
      {"[[correct]]\nrange = [\"2011-03-02\", \"2011-03-01\"]\ndrop = true",
       "line 2, column 9: range ends before it begins"},
      {"[[correct]]\nrange = [\"2011-02-30\", \"2011-03-01\"]\ndrop = true",
       "line 2, column 10: a day is written as \"2011-03-01\""},
      {"[[correct]]\nrange = [\"2011-03-01\", \"2011-03-01\"]\ndrop = true\nshift_minutes = 5",
       "line 1, column 1: a correction has either drop, or set and shift_minutes"},
      {"[[correct]]\nrange = [\"2011-03-01\", \"2011-03-01\"]\nset = {\"order.curency\" = "
       "\"GBP\"}",
       "line 3, column 8: no field 'order.curency' can be set; did you mean 'order.currency'?"},
      {"[[correct]]\nrange = [\"2011-03-01\", \"2011-03-01\"]\nset = {\"order.currency\" = "
       "\"gbp\"}",
       "line 3, column 27: 'gbp' is no ISO 4217 code"},
      {"{\n \"late_visit_hours\": 6,\n \"nmes\": {}\n}",
       "line 3, column 2: unknown key 'nmes'; did you mean 'names'?"},
      {"{\"names\": {\"a\": 5}}", "line 1, column 17: '' is nothing that 'a' can count as"},
      {"{\"drop\": [{\"reason\": \"x\", \"filter\": [\"is\", \"event:x\", [\"y\"]]}]}",
       "line 1, column 44: no field 'event:x' of one event"},
      {"{\"drop\": [], \"drop\": []}", "line 1, column 14: 'drop' is there twice"},
  };
  for (const auto& [text, expected] : cases) {
    const auto read = read_ruleset(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().detail.substr(0, expected.size()), expected) << text;
  }
}

TEST(ruleset_text, text_that_is_no_document_is_refused_with_its_place) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{\n\"a\": }", "line 2, column 6: syntax error"},
      {"{", "line 1, column 2: syntax error"},
      {"x = ", "line 1, column"},
      {"[names]\na = \"custom\"\na = \"custom\"", "line 3, column"},
  };
  for (const auto& [text, expected] : cases) {
    const auto read = read_ruleset(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().detail.substr(0, expected.size()), expected) << read.error().detail;
  }
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  EXPECT_FALSE(read_ruleset(deep));
  EXPECT_FALSE(read_ruleset(std::string(ruleset_bytes_max + 1, ' ')));
}

TEST(ruleset_text, too_many_rules_are_refused) {
  std::string text;
  for (std::size_t i = 0; i <= ruleset_rules_max; ++i)
    text += "[[drop]]\nreason = \"x\"\nfilter = [\"is\", \"event:name\", [\"a\"]]\n";
  const auto read = read_ruleset(text);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().detail.find("at most 100 of drop"), std::string::npos);
  std::string nested = "[\"is\", \"event:name\", [\"a\"]]";
  for (std::size_t i = 0; i < filter_depth_max; ++i) nested = "[\"not\", " + nested + "]";
  EXPECT_FALSE(read_ruleset("[[drop]]\nreason = \"x\"\nfilter = " + nested));
}

TEST(ruleset_text, two_rulesets_are_compared_by_what_they_mean) {
  auto changed = ruleset{};
  EXPECT_EQ(compare_rulesets(ruleset{}, changed), "[]");
  changed.names["refund"] = counts_as::purchase;
  EXPECT_EQ(compare_rulesets(ruleset{}, changed),
            R"([{"at":"/names/refund","new":"purchase","old":null}])");
}

}  // namespace
}  // namespace tally::persistence
