#include "domain/access_log.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tally {
namespace {

const std::string head = "203.0.113.9 - bob [17/May/2015:10:05:03 +0200] ";

access_line good(const std::string& text, log_form form = log_form::combined) {
  access_line line;
  EXPECT_EQ(to_string(parse_access_line(text, form, line)), "none") << text;
  return line;
}

log_fault fault_of(const std::string& text, log_form form = log_form::combined) {
  access_line line;
  return parse_access_line(text, form, line);
}

TEST(access_log, a_combined_line_gives_every_field) {
  const auto line = good(head + R"("GET /a?b=c HTTP/1.1" 200 512 "http://x.example/" "Browser/1")");
  EXPECT_EQ(line.address, "203.0.113.9");
  EXPECT_EQ(line.user, "bob");
  EXPECT_EQ(to_ms(line.at), 1431849903000);
  EXPECT_EQ(line.method, "GET");
  EXPECT_EQ(line.target, "/a?b=c");
  EXPECT_EQ(line.protocol, "HTTP/1.1");
  EXPECT_EQ(line.status, 200);
  EXPECT_EQ(line.bytes, 512);
  EXPECT_EQ(line.referrer, "http://x.example/");
  EXPECT_EQ(line.agent, "Browser/1");
}

TEST(access_log, a_common_line_ends_behind_its_bytes_and_dashes_are_empty) {
  const auto line =
      good("h - - [01/Jan/2020:00:00:00 +0000] \"HEAD / HTTP/1.0\" 304 -", log_form::common);
  EXPECT_EQ(line.user, "");
  EXPECT_EQ(line.bytes, 0);
  EXPECT_EQ(line.method, "HEAD");
}

TEST(access_log, odd_requests_are_kept_as_text) {
  for (const auto* odd : {R"(\x16\x03\x01)", "GET", "GET /", "GET  HTTP/1.1", " / HTTP/1.1"}) {
    const auto line = good(head + "\"" + odd + R"(" 400 0 "-" "-")");
    EXPECT_EQ(line.method, "") << odd;
    EXPECT_EQ(line.target, odd);
  }
  EXPECT_EQ(good(head + R"("-" 408 - "-" "-")").target, "");
  EXPECT_EQ(good(head + R"("GET /a b HTTP/1.1" 200 1 "-" "-")").target, "/a b");
}

TEST(access_log, escaped_quotes_belong_to_the_text) {
  const auto line = good(head + R"("GET / HTTP/1.1" 200 1 "-" "say \"hi\" \\ \x41")");
  EXPECT_EQ(line.agent, R"(say "hi" \ \x41)");
}

TEST(access_log, a_line_cut_anywhere_is_torn) {
  const auto whole = head + R"("GET / HTTP/1.1" 200 1 "http://r/" "agent")";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(to_string(fault_of(whole.substr(0, size))), "torn_line") << size;
  }
}

TEST(access_log, lines_that_are_wrong_are_named_by_what_is_wrong) {
  EXPECT_EQ(fault_of(head + R"("GET / HTTP/1.1" 200 1 "-" "-" more)"), log_fault::bad_line);
  EXPECT_EQ(fault_of(head + R"("GET / HTTP/1.1" 20x 1 "-" "-")"), log_fault::bad_status);
  EXPECT_EQ(fault_of(head + R"("GET / HTTP/1.1" 99 1 "-" "-")"), log_fault::bad_status);
  EXPECT_EQ(fault_of(head + R"("GET / HTTP/1.1" 200 1x "-" "-")"), log_fault::bad_line);
  EXPECT_EQ(fault_of(R"(h - - [31/Feb/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-")"),
            log_fault::bad_time);
  EXPECT_EQ(fault_of(R"(h - - [yesterday] "GET / HTTP/1.1" 200 1 "-" "-")"), log_fault::bad_time);
  EXPECT_EQ(fault_of("no such line at all, really not"), log_fault::bad_line);
}

TEST(access_log, a_page_view_is_a_successful_get_of_no_picture_style_script_or_font) {
  const auto seen = [](const std::string& method, const std::string& target, unsigned status) {
    access_line line;
    line.method = method;
    line.target = target;
    line.status = status;
    return is_page_view(line);
  };
  EXPECT_TRUE(seen("GET", "/", 200));
  EXPECT_TRUE(seen("GET", "/a", 206));
  EXPECT_TRUE(seen("GET", "/a", 304));
  EXPECT_TRUE(seen("GET", "/page?next=/x.png", 200));
  EXPECT_TRUE(seen("GET", "/x.PNG", 200));
  EXPECT_FALSE(seen("GET", "/x.png?v=2", 200));
  EXPECT_FALSE(seen("GET", "/fonts/a.woff", 200));
  EXPECT_FALSE(seen("HEAD", "/", 200));
  EXPECT_FALSE(seen("GET", "/", 301));
  EXPECT_FALSE(seen("GET", "/", 404));
}

}  // namespace
}  // namespace tally
