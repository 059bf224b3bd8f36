#include "api/reply_table.hpp"

#include <gtest/gtest.h>

namespace tally::api {
namespace {

TEST(reply_table, a_reply_with_one_list_is_its_rows) {
  const auto table = reply_table(
      R"({"n":2,"keys":[{"id":"a","scope":"read"},{"id":"b","names":["x","y"],"label":null}]})");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(render(*table),
            "id  scope  names  label\n"
            "a   read\n"
            "b          x, y\n");
}

TEST(reply_table, any_other_reply_is_names_and_values) {
  EXPECT_EQ(render(*reply_table(R"({"state":"ready","events":{"accepted":7,"duplicate":0}})")),
            "name              value\n"
            "state             ready\n"
            "events.accepted   7\n"
            "events.duplicate  0\n");
}

TEST(reply_table, journeys_have_a_row_for_each_value_of_each_step) {
  const auto table = journeys_table(
      R"({"results":{"visitors":5,"ways":[],"steps":[{"step":1,"visitors":4,"drop_off":1,"others":1,
          "values":[{"value":"/a","visitors":3,"share":60.0}]}]},"query":{"by":"event:page"}})");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(render_csv(*table),
            "step,event:page,visitors,share\n"
            "1,/a,3,60.0\n"
            "1,(others),1,\n"
            "1,(nothing more),1,\n");
  EXPECT_EQ(journeys_table("{}").error().code, errc::corrupt_record);
}

TEST(reply_table, what_is_no_object_is_a_failure) {
  EXPECT_EQ(reply_table("[1]").error().code, errc::corrupt_record);
  EXPECT_EQ(reply_table("{").error().code, errc::corrupt_record);
}

TEST(reply_table, csv_answers_become_tables_and_labels_can_be_joined) {
  const auto table = csv_table("time:day,event:name,events\n2011-01-01,\"a,b\",3\n");
  EXPECT_EQ(render_csv(table), "time:day,event:name,events\n2011-01-01,\"a,b\",3\n");
  EXPECT_EQ(render_csv(with_joined_labels(table, 2)),
            "time:day · event:name,events\n\"2011-01-01 · a,b\",3\n");
}

TEST(reply_table, funnels_and_retention_become_tables) {
  const auto step = [](const std::string& label, int visitors) {
    return R"({"label":")" + label + R"(","visitors":)" + std::to_string(visitors) +
           R"(,"conversion":null,"from_previous":50.5,"drop_off":1})";
  };
  const auto steps = "[" + step("Shop", 4) + "," + step("Cart", 2) + "]";
  EXPECT_EQ(render_csv(*funnel_table(R"({"results":{"steps":)" + steps +
                                     R"(,"rows":[]},"query":{"dimensions":[]}})")),
            "step,visitors,conversion,from_previous,drop_off\nShop,4,,50.5,1\nCart,2,,50.5,1\n");
  EXPECT_EQ(
      render_csv(*funnel_table(R"({"results":{"steps":[],"rows":[{"dimensions":["DE"],"steps":)" +
                               steps + R"(}]},"query":{"dimensions":["visit:country"]}})")),
      "visit:country,step,visitors,conversion,from_previous,drop_off\n"
      "DE,Shop,4,,50.5,1\nDE,Cart,2,,50.5,1\n");
  EXPECT_EQ(render_csv(*retention_table(
                R"({"results":[{"cohort":"2026-01-01","size":5,"cells":[{"people":5},{"people":2}]},
                               {"cohort":"2026-02-01","size":3,"cells":[{"people":3}]}],
                    "query":{"period":"month"}})")),
            "cohort,size,month 0,month 1\n2026-01-01,5,5,2\n2026-02-01,3,3,\n");
  for (const auto* bad : {"", "[]", "{}", R"({"results":{},"query":{"dimensions":[]}})"})
    EXPECT_EQ(funnel_table(bad).error().code, errc::corrupt_record) << bad;
  EXPECT_EQ(retention_table(R"({"results":[{}],"query":{}})").error().code, errc::corrupt_record);
}

}  // namespace
}  // namespace tally::api
