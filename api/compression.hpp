#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tally::api {

enum class content_encoding : std::uint8_t { identity, gzip, deflate, zstd, unknown };

/// What a Content-Encoding value asks for; a list of several is `unknown`.
[[nodiscard]] content_encoding parse_encoding(std::string_view value);
/// True where an Accept-Encoding value lets us answer with gzip.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

/// Decompresses one request body piece by piece. Memory: the output, at most 8 MiB of window and
/// some 200 KiB.
class body_decoder {
 public:
  enum class outcome : std::uint8_t { ok, too_large, corrupt };

  explicit body_decoder(content_encoding encoding);
  ~body_decoder();
  body_decoder(const body_decoder&) = delete;
  body_decoder& operator=(const body_decoder&) = delete;

  /// Appends what `piece` unpacks to. Stops with too_large as soon as `out` would pass `bytes_max`.
  outcome write(std::string_view piece, std::string& out, std::uint64_t bytes_max);
  /// corrupt where the stream ended early.
  [[nodiscard]] outcome finish() const;
  /// What it holds besides the output.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// One gzip member at `level` 1..9.
[[nodiscard]] std::string gzip(std::string_view bytes, int level);

}  // namespace tally::api
