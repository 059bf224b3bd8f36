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

}  // namespace
}  // namespace tally::api
