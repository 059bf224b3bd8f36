#include "api/http_parser.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tally::api {
namespace {

using progress = http_parser::progress;

struct parsed {
  progress state = progress::need_more;
  unsigned status = 0;
  std::string path, body, rest;
  bool operator==(const parsed&) const = default;
};

/// Parses `text` as it arrives in pieces that `cut` chooses the sizes of.
template <class Cut>
parsed parse(std::string_view text, Cut cut) {
  http_options options;
  options.header_bytes_max = 500;
  options.body_bytes_max = options.encoded_body_bytes_max = 2'000;
  actors::gauge used{0};
  http_budget budget{used, 1 << 20};
  parsed out;
  {
    http_parser parser{options, budget};
    std::string pending;
    while (out.state == progress::need_more && !text.empty()) {
      const auto size = std::min<std::size_t>(cut(), text.size());
      pending.append(text.substr(0, size));
      text.remove_prefix(size);
      std::string_view view = pending;
      out.state = parser.feed(view);
      pending.erase(0, pending.size() - view.size());
    }
    if (out.state == progress::refused) {
      out.status = parser.refusal().status;
    } else if (out.state == progress::complete) {
      out.path = parser.request().path;
      out.body = parser.request().body;
      out.rest = pending.append(text);
    }
  }
  EXPECT_EQ(used, 0);
  return out;
}

TEST(http_parser, gives_the_same_however_the_bytes_are_cut_and_broken) {
  const std::string_view samples[] = {
      "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello worldGET /",
      "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
      "5\r\nhello\r\n6;e=\"x\"\r\n world\r\n0\r\nT: 1\r\n\r\nGET /",
      "GET http://x/c HTTP/1.1\r\nHost: h\r\nX: folded\r\n  line\r\nConnection: close\r\n\r\nmore",
  };
  constexpr std::string_view bytes{"\r\n\0 :;0a,\xff", 10};
  int whole_ones = 0;
  for (unsigned seed = 0; seed < 30'000; ++seed) {
    std::minstd_rand chance{seed * 2'654'435'761u + 1};
    std::string text{samples[chance() % 3]};
    for (unsigned n = chance() % 4; n > 0; --n) {
      const auto at = chance() % text.size();
      switch (chance() % 3) {
        case 0:
          text[at] = bytes[chance() % bytes.size()];
          break;
        case 1:
          text.erase(at, 1 + chance() % 3);
          break;
        default:
          text.insert(at, 1, bytes[chance() % bytes.size()]);
          break;
      }
    }
    const auto whole = parse(text, [] { return std::size_t{100'000}; });
    const auto cut = parse(text, [&] { return std::size_t{1} + chance() % 20; });
    // In pieces a fault may show later, when the end of the header has come, or for another reason.
    if (whole.state != progress::complete && cut.state != progress::complete) continue;
    ASSERT_EQ(whole.state, cut.state) << seed << "\n" << text;
    ASSERT_TRUE(whole == cut) << seed << "\n" << text;
    whole_ones += whole.state == progress::complete ? 1 : 0;
  }
  EXPECT_GT(whole_ones, 5'000);
}

TEST(http_parser, does_not_charge_for_what_was_only_announced) {
  actors::gauge used{0};
  http_budget budget{used, 256ull << 20};
  const http_options options;
  http_parser parser{options, budget};
  std::string_view head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\nx";
  EXPECT_EQ(parser.feed(head), progress::need_more);
  EXPECT_LT(used, 100'000);
}

}  // namespace
}  // namespace tally::api
