#include "api/compression.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <new>

#include "api/http_message.hpp"
#include "domain/ensure.hpp"

namespace tally::api {

namespace {

constexpr int window_log_max = 23;  // 8 MiB: no smaller body needs more
constexpr std::size_t output_step = 32 << 10;
constexpr int gzip_or_zlib_window = 15 + 32;
constexpr int gzip_window = 15 + 16;

std::string_view next_item(std::string_view& list) {
  auto item = list.substr(0, list.find(','));
  list.remove_prefix(std::min(list.size(), item.size() + 1));
  while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
  while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
  return item;
}

/// "0", "0.", "0.0", "0.00" and "0.000" refuse an encoding.
bool is_zero_weight(std::string_view parameters) {
  const auto q = parameters.find("q=");
  if (q == std::string_view::npos) return false;
  const auto digits = parameters.substr(q + 2);
  return !digits.empty() && digits.find_first_not_of("0. ") == std::string_view::npos;
}

}  // namespace

content_encoding parse_encoding(std::string_view value) {
  if (value.empty() || same_token(value, "identity")) return content_encoding::identity;
  if (same_token(value, "gzip") || same_token(value, "x-gzip")) return content_encoding::gzip;
  if (same_token(value, "deflate")) return content_encoding::deflate;
  if (same_token(value, "zstd")) return content_encoding::zstd;
  return content_encoding::unknown;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const auto item = next_item(accept_encoding);
    const auto semicolon = std::min(item.find(';'), item.size());
    auto name = item.substr(0, semicolon);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    const bool wanted = !is_zero_weight(item.substr(semicolon));
    if (same_token(name, "gzip")) return wanted;
    if (name == "*") any = wanted;
  }
  return any;
}

struct body_decoder::impl {
  content_encoding encoding;
  z_stream inflater{};
  ZSTD_DCtx* zstd = nullptr;
  bool ended = false;  // at the end of a member or frame
  bool begun = false;

  outcome write_zlib(std::string_view piece, std::string& out, std::uint64_t bytes_max);
  outcome write_zstd(std::string_view piece, std::string& out, std::uint64_t bytes_max);
};

body_decoder::body_decoder(content_encoding encoding) : impl_{std::make_unique<impl>()} {
  impl_->encoding = encoding;
  if (encoding == content_encoding::zstd) {
    impl_->zstd = ZSTD_createDCtx();
    if (impl_->zstd == nullptr) throw std::bad_alloc{};
    ZSTD_DCtx_setParameter(impl_->zstd, ZSTD_d_windowLogMax, window_log_max);
  } else if (inflateInit2(&impl_->inflater, gzip_or_zlib_window) != Z_OK) {
    throw std::bad_alloc{};
  }
}

body_decoder::~body_decoder() {
  if (impl_->encoding == content_encoding::zstd)
    ZSTD_freeDCtx(impl_->zstd);
  else
    inflateEnd(&impl_->inflater);
}

body_decoder::outcome body_decoder::write(std::string_view piece, std::string& out,
                                          std::uint64_t bytes_max) {
  if (piece.empty()) return outcome::ok;
  impl_->begun = true;
  return impl_->encoding == content_encoding::zstd ? impl_->write_zstd(piece, out, bytes_max)
                                                   : impl_->write_zlib(piece, out, bytes_max);
}

body_decoder::outcome body_decoder::impl::write_zlib(std::string_view piece, std::string& out,
                                                     std::uint64_t bytes_max) {
  std::array<char, output_step> step;  // NOLINT(*-member-init): 32 KiB to be overwritten
  inflater.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(piece.data()));
  inflater.avail_in = static_cast<uInt>(piece.size());
  do {
    if (ended) {  // another member of a gzip stream
      if (encoding != content_encoding::gzip) return outcome::corrupt;
      inflateReset(&inflater);
      ended = false;
    }
    inflater.next_out = reinterpret_cast<Bytef*>(step.data());
    inflater.avail_out = static_cast<uInt>(step.size());
    const int code = inflate(&inflater, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return outcome::corrupt;
    const auto made = step.size() - inflater.avail_out;
    if (out.size() + made > bytes_max) return outcome::too_large;
    out.append(step.data(), made);
    ended = code == Z_STREAM_END;
  } while (inflater.avail_in > 0 || (inflater.avail_out == 0 && !ended));
  return outcome::ok;
}

body_decoder::outcome body_decoder::impl::write_zstd(std::string_view piece, std::string& out,
                                                     std::uint64_t bytes_max) {
  std::array<char, output_step> step;  // NOLINT(*-member-init): 32 KiB to be overwritten
  ZSTD_inBuffer in{piece.data(), piece.size(), 0};
  bool full = false;
  do {
    ZSTD_outBuffer made{step.data(), step.size(), 0};
    const auto left = ZSTD_decompressStream(zstd, &made, &in);
    if (ZSTD_isError(left) != 0) return outcome::corrupt;
    if (out.size() + made.pos > bytes_max) return outcome::too_large;
    out.append(step.data(), made.pos);
    ended = left == 0;
    full = made.pos == step.size();
  } while (in.pos < in.size || (full && !ended));
  return outcome::ok;
}

body_decoder::outcome body_decoder::finish() const {
  return impl_->ended && impl_->begun ? outcome::ok : outcome::corrupt;
}

std::size_t body_decoder::memory_bytes() const {
  constexpr std::size_t inflater_bytes = 48 << 10;
  return impl_->zstd != nullptr ? ZSTD_sizeof_DCtx(impl_->zstd) : inflater_bytes;
}

std::string gzip(std::string_view bytes, int level) {
  z_stream deflater{};
  ensure(level >= 1 && level <= 9, "gzip level");
  if (deflateInit2(&deflater, level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc{};
  std::string out(deflateBound(&deflater, bytes.size()), '\0');
  deflater.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  deflater.avail_in = static_cast<uInt>(bytes.size());
  deflater.next_out = reinterpret_cast<Bytef*>(out.data());
  deflater.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&deflater, Z_FINISH);
  out.erase(deflater.total_out);
  deflateEnd(&deflater);
  ensure(code == Z_STREAM_END, "gzip output bound");
  return out;
}

}  // namespace tally::api
