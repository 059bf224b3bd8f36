#include <gtest/gtest.h>

#include <random>

#include "api/ingest_native.hpp"
#include "tests/api/ingest_samples.hpp"

namespace tally::api {
namespace {

std::unique_ptr<decoded_batch> parse(std::string body) {
  return decode(parse_native(body, write_key_context()));
}

unreadable_body fail(std::string body, const ingest_context& context = write_key_context()) {
  auto result = parse_native(body, context);
  if (const auto* const failed = std::get_if<unreadable_body>(&result)) return *failed;
  ADD_FAILURE() << "readable: " << body;
  return {};
}

TEST(the_form_of_a_body, is_found_from_the_body) {
  const std::pair<std::string, std::size_t> cases[] = {
      {R"({"name":"x"})", 1},
      {"\xEF\xBB\xBF {\"name\":\"x\"}\n", 1},
      {"{\n  \"name\": \"x\",\n  \"order\":\n{\n}\n}\n", 1},
      {R"([])", 0},
      {R"( [{"name":"x"} , {"name":"x"}] )", 2},
      {"{\"name\":\"x\"}\n{\"name\":\"x\"}", 2},
      {"{\"name\":\"x\"}\r\n\r\n{\"name\":\"x\"}\r\n", 2},
      {"\x81\xa4name\xa1x", 1},
      {"\x81\xa4name\xa1x\x81\xa4name\xa1x", 2},
      {"\x92\x81\xa4name\xa1x\x81\xa4name\xa1x", 2},
      {std::string{"\xdc\x00\x01\xde\x00\x01\xd9\x04name\xd9\x01x", 15}, 1},
      {std::string{"\xdd\x00\x00\x00\x00", 5}, 0}};
  for (const auto& [body, count] : cases) {
    const auto parsed = parse(body);
    EXPECT_EQ(parsed->events.size(), count) << body;
    EXPECT_TRUE(parsed->batch.rejected.empty()) << body;
    for (const auto& e : parsed->events) EXPECT_EQ(e.name, "x");
  }
}

TEST(the_form_of_a_body, makes_the_same_event_of_messagepack_and_json) {
  std::string packed =
      "\x85\xa2id\x07\xa4name\xa8purchase\xa2"
      "at\xcf";
  packed += std::string{"\x00\x00\x01\x2c\xa1\x00\x00\x00", 8};
  packed +=
      "\xa5order\x82\xa3tax\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a\xa5items\x91\x81\xa5price\xa4";
  packed +=
      "2.55\xa5props\x81\xa1"
      "f\xca\x3d\xcc\xcc\xcd";
  const auto a = parse(packed);
  const auto b = parse(R"({"id":"7","name":"purchase","at":1291191418880,
                           "order":{"tax":0.1,"items":[{"price":2.55}]},"props":{"f":0.1}})");
  ASSERT_EQ(a->events.size(), 1u);
  ASSERT_EQ(b->events.size(), 1u);
  EXPECT_EQ(a->events[0].order.tax, money{100'000});
  EXPECT_EQ(a->events[0].props, b->events[0].props);
  EXPECT_EQ(a->events[0].order.items[0].price, b->events[0].order.items[0].price);
  EXPECT_EQ(a->events[0].id, b->events[0].id);
}

TEST(an_unreadable_body, tells_line_and_column) {
  struct fault_case {
    std::string body, code, detail;
  };
  const fault_case cases[] = {
      {"", "empty_body", "the body holds no event"},
      {" \r\n\t ", "empty_body", "the body holds no event"},
      {"hello", "bad_json", "line 1, column 1: unexpected character or end"},
      {"[{\"name\":\"x\"},\n {\"name\" \"x\"}]", "bad_json",
       "line 2, column 10: unexpected character or end"},
      {"[{\"name\":\"x\"}", "bad_json", ""},
      {"[{\"name\":\"x\"}] x", "bad_json",
       "line 1, column 16: the document does not end here as it began"},
      {"[{\"name\":\"x\",\"a\":01}]", "bad_json", "line 1, column 18: unexpected character or end"},
      {"[{\"name\":\"x\",\"a\":tru}]", "bad_json",
       "line 1, column 18: unexpected character or end"},
      {"[{\"name\":\"x\"},]", "bad_json", ""},
      {"[{\"name\":\"\xff\"}]", "bad_json", "line 1, column 11: not UTF-8"},
      {"[{\"name\":\"a\nb\"}]", "bad_json", "line 1, column 12: control character in a text"},
      {"[{\"name\":\"ab}]", "bad_json", "line 1, column 10: text without an end"},
      {"[{\"name\":\"a\\x\"}]", "bad_json", "line 1, column 11: bad escape in a text"},
      {"{\"name\":\"x\"", "bad_json", ""},
      {"{\"name\":\"x\",\n\"a\":}", "bad_json", "line 2, column 5: unexpected character or end"},
      {"\x82\xa4name\xa1x", "bad_msgpack", "byte 8: the body ends inside a value"},
      {"\x92\x81\xa4name\xa1x", "bad_msgpack", "byte 9: the body ends inside a value"},
      {"\x91\x81\xa4name\xa1xx", "bad_msgpack", "byte 9: something follows the array"},
      {"\xdc", "bad_msgpack", "byte 0: the array's header is torn"},
      {"\xdf\xff\xff\xff\xff", "bad_msgpack", "byte 5: the body ends inside a value"}};
  for (const auto& c : cases) {
    const auto failed = fail(c.body);
    EXPECT_EQ(failed.status, 400) << c.body;
    EXPECT_EQ(failed.code, c.code) << c.body;
    if (!c.detail.empty()) {
      EXPECT_EQ(failed.detail, c.detail) << c.body;
    }
  }
  EXPECT_EQ(fail("[" + std::string(100, '[') + std::string(100, ']') + "]").detail,
            "line 1, column 65: nested too deeply");
  EXPECT_EQ(fail("\x81\xa1x" + std::string(100'000, '\x91')).code, "bad_msgpack");
}

TEST(an_unreadable_body, is_one_with_too_many_events) {
  auto context = write_key_context();
  context.limits.events_max = 2;
  const std::string bodies[] = {R"([{"name":"x"},{"name":"x"},{"name":"x"}])",
                                "{\"name\":\"x\"}\n{\"name\":\"x\"}\n{\"name\":\"x\"}",
                                "\x93\x80\x80\x80", "\x80\x80\x80", "\xdd\xff\xff\xff\xff"};
  for (const auto& body : bodies) {
    const auto failed = fail(body, context);
    EXPECT_EQ(failed.status, 413);
    EXPECT_EQ(failed.code, "too_many_events");
  }
  std::string two = R"([{"name":"x"},{"name":"x"}])";
  EXPECT_EQ(decode(parse_native(two, context))->events.size(), 2u);
}

TEST(a_stream_of_lines, rejects_bad_lines_and_keeps_the_others) {
  const auto parsed = parse("{\"name\":\"a\"}\n{\"name\":\n\nnonsense\n[]\n{\"name\":\"b\"}\n{}");
  ASSERT_EQ(parsed->events.size(), 2u);
  EXPECT_EQ(parsed->events[1].name, "b");
  EXPECT_EQ(parsed->batch.events[1].index, 4u);
  const auto& rejected = parsed->batch.rejected;
  ASSERT_EQ(rejected.size(), 4u);
  EXPECT_EQ(rejected[0].code, "bad_json");
  EXPECT_EQ(rejected[0].index, 1u);
  EXPECT_EQ(rejected[0].raw, "{\"name\":");
  EXPECT_EQ(rejected[0].merchant, "shop");
  EXPECT_EQ(rejected[1].detail, "line 4, column 1: unexpected character or end");
  EXPECT_EQ(rejected[2].code, "bad_json");
  EXPECT_EQ(rejected[3].code, "missing_name");
}

TEST(a_stream_of_lines, may_begin_with_a_bad_one) {
  const auto parsed = parse("{\"name\":\"a\",}\n{\"name\":\"b\"}");
  EXPECT_EQ(parsed->events.size(), 1u);
  ASSERT_EQ(parsed->batch.rejected.size(), 1u);
  EXPECT_EQ(parsed->batch.rejected[0].index, 0u);
}

TEST(a_stream_of_lines, rejects_a_line_whose_fault_comes_after_all_known_fields) {
  const auto parsed = parse("{\"name\":\"a\"}\n{\"name\":\"b\",\"z\":{\"y\":[1,2,}}\n");
  EXPECT_EQ(parsed->events.size(), 1u);
  EXPECT_EQ(parsed->batch.rejected.size(), 1u);
}

TEST(a_stream_of_maps, rejects_what_json_cannot_say_and_keeps_the_others) {
  const std::string bad[] = {"\x82\xa4name\xa1x\xa1z\xc4\x01z",  // binary
                             "\x82\xa4name\xa1x\xa1z\xd4\x01z",  // extension
                             "\x82\xa4name\xa1x\x01\x02",        // key
                             "\x82\xa4name\xa1x\xa1z\xa1\xff",   // UTF-8
                             std::string{"\x82\xa4name\xa1x\xa1z\xca\x7f\xc0\x00\x00", 15}};
  for (const auto& map : bad) {
    const auto parsed = parse("\x81\xa4name\xa1x" + map + "\x81\xa4name\xa1x");
    EXPECT_EQ(parsed->events.size(), 2u);
    ASSERT_EQ(parsed->batch.rejected.size(), 1u);
    EXPECT_EQ(parsed->batch.rejected[0].code, "bad_msgpack");
    EXPECT_EQ(parsed->batch.rejected[0].index, 1u);
    EXPECT_EQ(parsed->batch.rejected[0].raw, map);
  }
}

TEST(a_stream_of_maps, ends_where_it_cannot_be_followed) {
  const auto parsed = parse("\x81\xa4name\xa1x\x81\xa4name\xc1\x81\xa4name\xa1x");
  EXPECT_EQ(parsed->events.size(), 1u);
  ASSERT_EQ(parsed->batch.rejected.size(), 1u);
  EXPECT_EQ(parsed->batch.rejected[0].code, "bad_msgpack");
}

TEST(a_body, of_random_bytes_never_does_harm) {
  const std::string seeds[] = {
      R"([{"name":"purchase","at":"2010-12-01T08:26:00Z","order":{"items":[{"price":"2.5"}]}}])",
      "{\"name\":\"\\u00e9\",\"props\":{\"a\":[1,2.5e3,null,true]}}\n{\"name\":\"b\"}\n",
      "\x92\x82\xa4name\xa1x\xa5props\x81\xa1"
      "a\x93\x01\xc0\xcb\x3f\xf8\x00\x00\x00"};
  std::mt19937 random{42};
  for (int i = 0; i < 20'000; ++i) {
    auto body = seeds[random() % std::size(seeds)];
    for (auto n = random() % 4; n > 0; --n) {
      const auto at = random() % body.size();
      switch (random() % 3) {
        case 0:
          body[at] = static_cast<char>(random());
          break;
        case 1:
          body.erase(at, 1 + random() % 5);
          break;
        default:
          body.insert(at, 1, "{}[]\",:\\ \n0e-\x91\xdf"[random() % 15]);
          break;
      }
      if (body.empty()) body = " ";
    }
    auto result = parse_native(body, write_key_context());
    if (std::holds_alternative<parsed_batch>(result)) decode(std::move(result));
  }
}

}  // namespace
}  // namespace tally::api
