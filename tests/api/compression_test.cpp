#include "api/compression.hpp"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/support/http_fixture.hpp"

namespace tally::api {
namespace {

using outcome = body_decoder::outcome;

std::string zstd(std::string_view text, int window_log = 0) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (window_log != 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  }
  std::string out(ZSTD_compressBound(text.size()), '\0');
  // As a stream without a known size, so that the frame names its window.
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer made{out.data(), out.size(), 0};
  ZSTD_compressStream2(context, &made, &in, ZSTD_e_flush);
  ZSTD_compressStream2(context, &made, &in, ZSTD_e_end);
  ZSTD_freeCCtx(context);
  return out.substr(0, made.pos);
}

std::string deflate(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
           text.size());
  return out.substr(0, size);
}

/// The text, or "too_large" or "corrupt"; fed in pieces of `step` bytes.
std::string decode(content_encoding encoding, std::string_view packed, std::size_t step,
                   std::uint64_t bytes_max = 10 << 20) {
  body_decoder decoder{encoding};
  std::string out;
  for (; !packed.empty(); packed.remove_prefix(std::min(step, packed.size()))) {
    const auto state = decoder.write(packed.substr(0, step), out, bytes_max);
    EXPECT_LE(out.size(), bytes_max);
    if (state != outcome::ok) return state == outcome::corrupt ? "corrupt" : "too_large";
  }
  return decoder.finish() == outcome::ok ? out : "corrupt";
}

std::string sample() {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "event " + std::to_string(i * 7919 % 1'000) + "\n";
  return text;
}

TEST(body_decoder, unpacks_every_encoding_however_the_bytes_are_cut) {
  const auto text = sample();
  for (const std::size_t step : {1u, 7u, 1'000u, 1'000'000u}) {
    EXPECT_EQ(decode(content_encoding::gzip, gzip(text, 6), step), text) << step;
    EXPECT_EQ(decode(content_encoding::deflate, deflate(text), step), text) << step;
    EXPECT_EQ(decode(content_encoding::zstd, zstd(text), step), text) << step;
  }
}

TEST(body_decoder, joins_members_and_frames) {
  for (const std::size_t step : {1u, 1'000u}) {
    EXPECT_EQ(decode(content_encoding::gzip, gzip("a", 1) + gzip("", 1) + gzip("b", 9), step),
              "ab");
    EXPECT_EQ(decode(content_encoding::zstd, zstd("a") + zstd("") + zstd("b"), step), "ab");
  }
}

TEST(body_decoder, notices_what_is_cut_or_broken_or_follows) {
  for (const auto encoding : {content_encoding::gzip, content_encoding::zstd}) {
    const auto packed = encoding == content_encoding::gzip ? gzip(sample(), 6) : zstd(sample());
    EXPECT_EQ(decode(encoding, packed.substr(0, packed.size() - 1), 100), "corrupt");
    EXPECT_EQ(decode(encoding, packed + "rest", 100), "corrupt");
    EXPECT_EQ(decode(encoding, "plain text", 100), "corrupt");
    EXPECT_EQ(decode(encoding, "", 100), "corrupt");
    auto broken = packed;
    broken[packed.size() / 2] = static_cast<char>(broken[packed.size() / 2] ^ 0x40);
    EXPECT_NE(decode(encoding, broken, 100), sample());
  }
}

TEST(body_decoder, stops_at_the_limit) {
  const auto text = sample();
  for (const auto encoding : {content_encoding::gzip, content_encoding::zstd}) {
    const auto packed = encoding == content_encoding::gzip ? gzip(text, 6) : zstd(text);
    EXPECT_EQ(decode(encoding, packed, 100, text.size()), text);
    EXPECT_EQ(decode(encoding, packed, 100, text.size() - 1), "too_large");
  }
}

TEST(body_decoder, refuses_a_zstd_window_that_takes_too_much_memory) {
  EXPECT_EQ(decode(content_encoding::zstd, zstd(sample(), 27), 1'000), "corrupt");
}

TEST(parse_encoding, knows_the_names_in_any_case_and_no_lists) {
  EXPECT_EQ(parse_encoding("GZip"), content_encoding::gzip);
  EXPECT_EQ(parse_encoding("x-gzip"), content_encoding::gzip);
  EXPECT_EQ(parse_encoding("zstd"), content_encoding::zstd);
  EXPECT_EQ(parse_encoding("deflate"), content_encoding::deflate);
  EXPECT_EQ(parse_encoding("identity"), content_encoding::identity);
  EXPECT_EQ(parse_encoding("gzip, gzip"), content_encoding::unknown);
  EXPECT_EQ(parse_encoding("br"), content_encoding::unknown);
}

TEST(accepts_gzip, follows_the_weights) {
  const std::pair<std::string_view, bool> cases[] = {
      {"gzip", true},
      {"", false},
      {"br, GZIP;q=0.5", true},
      {"gzip;q=0", false},
      {"gzip; q=0.000", false},
      {"gzip;q=0.001", true},
      {"*", true},
      {"*;q=0", false},
      {"identity", false},
      {"*, gzip;q=0", false},
      {"gzipped", false},
  };
  for (const auto& [value, yes] : cases) EXPECT_EQ(accepts_gzip(value), yes) << value;
}

class http_compression_test : public test::http_test {};

TEST_F(http_compression_test, long_answers_are_packed_for_who_accepts_it) {
  start([](http_request&& r, const respond& answer) {
    answer({.content_type = r.path == "/image" ? "image/png" : "application/json",
            .body = std::string(r.path == "/short" ? 1'023 : 1'024, 'x')});
  });
  auto client = connect();
  const std::string accept = "Accept-Encoding: gzip\r\n";
  const auto packed = client.ask("GET", "/long", "", accept);
  EXPECT_EQ(packed->headers.at("content-encoding"), "gzip");
  EXPECT_EQ(packed->headers.at("vary"), "Accept-Encoding");
  EXPECT_EQ(decode(content_encoding::gzip, packed->body, 100), std::string(1'024, 'x'));
  const auto plain = client.ask("GET", "/long");
  EXPECT_EQ(plain->headers.count("content-encoding"), 0u);
  EXPECT_EQ(plain->headers.at("vary"), "Accept-Encoding");
  EXPECT_EQ(client.ask("GET", "/short", "", accept)->headers.count("content-encoding"), 0u);
  EXPECT_EQ(client.ask("GET", "/image", "", accept)->headers.count("content-encoding"), 0u);
}

TEST_F(http_compression_test, zstd_bodies_arrive_unpacked) {
  start_echo();
  auto client = connect();
  const auto answer = client.ask("POST", "/", zstd("hello"), "Content-Encoding: zstd\r\n");
  EXPECT_EQ(answer->body, "POST / hello");
}

}  // namespace
}  // namespace tally::api
