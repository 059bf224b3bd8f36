#include <gtest/gtest.h>

#include "api/ingest_native.hpp"
#include "tests/api/ingest_samples.hpp"

namespace tally::api {
namespace {

struct refused_case {
  std::string body;  // one object
  std::string code;
  std::string detail;  // empty: not compared
};

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string with_item(const std::string& item) {
  return R"({"name":"purchase","order":{"items":[)" + item + "]}}";
}
std::string with_order(const std::string& name, const std::string& order) {
  return R"({"name":")" + name + R"(","order":)" + order + "}";
}

void expect_refused(const refused_case& c, const ingest_context& context) {
  std::string body = c.body;
  const auto parsed = decode(parse_native(body, context));
  ASSERT_EQ(parsed->batch.rejected.size(), 1u) << c.body;
  EXPECT_EQ(parsed->batch.rejected[0].code, c.code) << c.body;
  if (!c.detail.empty()) {
    EXPECT_EQ(parsed->batch.rejected[0].detail, c.detail);
  }
  EXPECT_EQ(parsed->batch.rejected[0].raw, c.body.substr(0, 4'096));
}

TEST(rejected_events, name_the_field_and_the_fault) {
  const refused_case cases[] = {
      {R"({})", "missing_name", "name: is missing"},
      {R"({"name":null})", "missing_name", "name: is missing"},
      {R"({"name":7})", "bad_type", "name: must be text"},
      {R"({"name":""})", "bad_name", "name: has 0 bytes, must have 1 to 200"},
      {R"({"name":")" + repeat("x", 201) + "\"}", "bad_name", ""},
      {R"({"name":"a\u0000b"})", "bad_name", "name: holds a control character"},
      {R"({"name":"x","id":""})", "bad_id", "id: has 0 bytes, must have 1 to 100"},
      {R"({"name":"x","id":")" + repeat("x", 101) + "\"}", "bad_id",
       "id: has 101 bytes, must have 1 to 100"},
      {R"({"name":"x","id":1.5})", "bad_type", "id: must be text"},
      {R"({"name":"x","at":"yesterday"})", "bad_at",
       "at: 'yesterday' is not an RFC 3339 time or integer milliseconds"},
      {R"({"name":"x","at":1.5})", "bad_at", ""},
      {R"({"name":"x","at":true})", "bad_at",
       "at: must be an RFC 3339 time or integer milliseconds"},
      {R"({"name":"x","at":"2010-12-01T13:00:00.001Z"})", "at_in_future", ""},
      {R"({"name":"x","visitor":true})", "bad_type", "visitor: must be text"},
      {R"({"name":"x","user":1.5})", "bad_type", "user: must be text"},
      {R"({"name":"x","at":"1969-12-31T23:59:59.999Z"})", "at_too_old",
       "at: 1969-12-31T23:59:59.999Z is before 1970-01-01T00:00:00.000Z"},
      {R"({"name":"x","at":-1})", "at_too_old", ""},
      {R"({"name":"x","session":[]})", "bad_type", "session: must be text"},
      {R"({"name":"x","title":{}})", "bad_type", "title: must be text"},
      {R"({"name":"x","visitor":")" + repeat("x", 501) + "\"}", "too_long",
       "visitor: has 501 bytes, at most 500 are allowed"},
      {R"({"name":"x","url":")" + repeat("x", 2'001) + "\"}", "too_long", ""},
      {R"({"name":"x","props":[]})", "bad_type", "props: must be an object"},
      {R"({"name":"x","props":{"a":0)" + repeat(R"(,"b":1)", 64) + "}}", "bad_props",
       "props: has 65 keys, at most 64 are allowed"},
      {R"({"name":"x","props":{")" + repeat("k", 201) + "\":1}}", "bad_props", ""},
      {R"({"name":"x","props":{"a":)" + repeat("[", 8) + repeat("]", 8) + "}}", "too_deep",
       "props: is nested deeper than 8"},
      {R"({"name":"x","other":)" + repeat("[", 9) + repeat("]", 9) + "}", "too_deep", ""},
      {R"({"name":"x","merchant":"other"})", "bad_merchant",
       "merchant: this key writes for 'shop' only"},
      {R"({"name":"x","props":{"a":")" + repeat("x", 256 * 1024) + "\"}}", "too_large", ""},
      {R"({"name":"x","order":[]})", "bad_type", "order: must be an object"},
      {with_order("x", R"({"id":{}})"), "bad_type", "order.id: must be text"},
      {with_order("x", R"({"currency":"gbp"})"), "bad_currency",
       "order.currency: 'gbp' is not three letters A to Z"},
      {with_order("x", R"({"tax":"x"})"), "bad_amount", "order.tax: 'x' is not a decimal number"},
      {with_order("x", R"({"tax":true})"), "bad_type",
       "order.tax: must be a decimal number, as text or number"},
      {with_order("x", R"({"total":9000000000000.000001})"), "bad_amount",
       "order.total: '9000000000000.000001' is more than 9000000000000 units"},
      {with_order("x", R"({"items":{}})"), "bad_type", "order.items: must be an array of objects"},
      {with_order("x", R"({"items":[{},7]})"), "bad_type", "order.items[1]: must be an object"},
      {with_item(R"({"price":"2,55"})"), "bad_amount",
       "order.items[0].price: '2,55' is not a decimal number"},
      {with_item(R"({},{"quantity":"many"})"), "bad_quantity",
       "order.items[1].quantity: 'many' is not a decimal number"},
      {with_item(R"({"quantity":-1})"), "bad_quantity",
       "order.items[0].quantity: must not be negative"},
      {with_item(R"({"quantity":9000000,"price":9000000})"), "amount_overflow",
       "order.items[0]: quantity x price is more than 9000000000000 units"},
      {with_item(R"({"price":9000000000000},{"price":9000000000000})"), "amount_overflow", ""},
      {with_order("purchase", R"({"total":9000000000000,"discount":1})"), "amount_overflow",
       "order: total - tax - shipping + discount is more than 9000000000000 units"},
      {R"({"name":"refund"})", "bad_amount", "order.amount: a refund needs items or an amount"},
      {with_order("refund", R"({"id":"1","amount":0})"), "bad_amount",
       "order.amount: a refund must be positive"},
      {with_order("refund", R"({"id":"1","amount":"-5"})"), "bad_amount",
       "order.amount: a refund must be positive"},
      {with_order("refund", R"({"items":[{"price":-1}]})"), "bad_amount",
       "order.items[0].price: a refund must be positive"},
      {with_order("refund", R"({"items":[{"price":1,"quantity":-1}]})"), "bad_quantity", ""}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.code);
    expect_refused(c, write_key_context());
  }
}

TEST(rejected_events, of_a_platform_key_name_merchants_and_addresses) {
  const refused_case cases[] = {
      {R"({"name":"x"})", "bad_merchant", "merchant: is missing"},
      {R"({"name":"x","merchant":"no good"})", "bad_merchant",
       "merchant: must be 1 to 64 characters of A-Z a-z 0-9 . _ -"},
      {R"({"name":"x","merchant":7})", "bad_merchant", ""},
      {R"({"name":"x","merchant":"a","ip":"nowhere"})", "bad_type",
       "ip: 'nowhere' is no IP address"},
      {R"({"name":"x","merchant":"a","received_at":"x"})", "bad_at", ""},
      {R"({"name":"x","merchant":"a","received_at":"2010-12-01T12:00:00.001Z"})", "at_in_future",
       ""},
      {R"({"name":"x","merchant":"a","received_at":"0001-01-01T00:00:00Z"})", "at_too_old",
       "received_at: 0001-01-01T00:00:00.000Z is before 1970-01-01T00:00:00.000Z"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.body);
    expect_refused(c, platform_context());
  }
}

TEST(rejected_events, of_a_platform_key_with_an_id_are_named_by_it) {
  std::string body = R"([{"id":"1","merchant":"a","at":"x"},{"merchant":"a","at":"x","id":"1"},
      {"id":"2","merchant":"a","at":"x"},{"merchant":"a","at":"x"}])";
  const auto parsed = decode(parse_native(body, platform_context()));
  const auto& r = parsed->batch.rejected;
  ASSERT_EQ(r.size(), 4u);
  EXPECT_EQ(r[0].id.size(), 32u);
  EXPECT_EQ(r[0].id, r[1].id);
  EXPECT_NE(r[0].id, r[2].id);
  EXPECT_EQ(r[3].id, "");
  std::string of_write_key = R"({"id":"1","at":"x"})";
  EXPECT_EQ(decode(parse_native(of_write_key, write_key_context()))->batch.rejected[0].id, "");
}

TEST(rejected_events, may_be_told_of_by_an_import) {
  std::string body = R"([{"merchant":"a","id":"1","refused":{"code":"bad_line","detail":"why",
      "text":"GET /"}},{"merchant":"a","refused":{"code":"Bad"}},{"merchant":"a","refused":7},
      {"merchant":"a","refused":{"code":"x","other":1}}])";
  const auto parsed = decode(parse_native(body, platform_context()));
  const auto& r = parsed->batch.rejected;
  ASSERT_EQ(r.size(), 4u);
  EXPECT_EQ(r[0].code, "bad_line");
  EXPECT_EQ(r[0].detail, "why");
  EXPECT_EQ(r[0].raw, "GET /");
  EXPECT_EQ(r[0].merchant, "a");
  EXPECT_FALSE(r[0].id.empty());
  EXPECT_EQ(r[1].detail, "refused.code: must be of a-z 0-9 _");
  EXPECT_EQ(r[2].detail, "refused: must be an object");
  EXPECT_EQ(r[3].detail, "refused.other: is not known");
  std::string of_write_key = R"({"name":"x","refused":{"code":"bad_line"}})";
  EXPECT_EQ(decode(parse_native(of_write_key, write_key_context()))->events.size(), 1u)
      << "for other keys it is a field like any other";
}

TEST(rejected_events, keep_their_merchant_where_it_is_known) {
  std::string body = R"([{"id":"","merchant":"a","name":"x"},{"name":"x"}])";
  const auto parsed = decode(parse_native(body, platform_context()));
  ASSERT_EQ(parsed->batch.rejected.size(), 2u);
  EXPECT_EQ(parsed->batch.rejected[0].merchant, "a");
  EXPECT_EQ(parsed->batch.rejected[1].merchant, "");
}

TEST(accepted_events, reach_up_to_every_limit) {
  const std::string cases[] = {
      R"({"name":")" + repeat("x", 200) + "\"}",
      R"({"name":"x","id":")" + repeat("x", 100) + "\"}",
      R"({"name":"x","visitor":")" + repeat("x", 500) + "\"}",
      R"({"name":"x","url":")" + repeat("x", 2'000) + "\"}",
      R"({"name":"x","props":{"a":0)" + repeat(R"(,"b":1)", 63) + "}}",
      R"({"name":"x","props":{"a":)" + repeat("[", 7) + repeat("]", 7) + "}}",
      R"({"name":"x","merchant":"shop"})",
      with_item(R"({"quantity":0,"price":0})"),
      with_item(R"({"quantity":"0.333333","price":"0.000001"})"),
      with_item(R"({"price":9000000000000})"),
      with_order("refund", R"({"items":[{"price":0}]})"),
      with_order("x", R"({"id":null,"tax":null,"items":null})"),
      R"({"name":"x","order":null,"props":null,"id":null,"merchant":null})"};
  for (auto body : cases) {
    const auto parsed = decode(parse_native(body, write_key_context()));
    EXPECT_EQ(parsed->events.size(), 1u) << body;
    for (const auto& r : parsed->batch.rejected) ADD_FAILURE() << r.detail;
  }
}

}  // namespace
}  // namespace tally::api
