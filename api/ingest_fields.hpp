#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/ingest_types.hpp"
#include "api/json_tree.hpp"
#include "domain/client_time.hpp"
#include "domain/money.hpp"

namespace tally::api {

/// Why one event is refused.
struct refusal {
  std::string code, detail;
};

/// Name of a field for messages, built only when needed: "url", "order.tax",
/// "order.items[3].price".
struct field_path {
  std::string_view base;
  std::int64_t index = -1;
  std::string_view leaf;

  [[nodiscard]] std::string text() const;
};

/// Fills the refusal; always false, so that a reader can return it.
bool refuse(refusal& why, std::string_view code, std::string detail);

/// The readers below leave `out` as it is where the value is null, and give false with the refusal
/// filled where it is wrong. Integers are accepted as text.

/// `bad_type`, or `too_long` beyond `bytes_max`.
bool read_text(const json_node& value, const field_path& path, std::size_t bytes_max,
               std::string_view& out, refusal& why);
/// Like read_text, but cuts what is too long.
bool read_hint(const json_node& value, const field_path& path, std::size_t bytes_max,
               std::string_view& out, refusal& why);
/// Decimal text or a number; `code` (bad_amount, bad_quantity) where it is none or beyond
/// amount_millionths_max.
bool read_decimal(const json_node& value, const field_path& path, std::string_view code,
                  std::optional<money>& out, refusal& why);
/// RFC 3339 text or integer milliseconds; `bad_at`.
bool read_time(const json_node& value, std::string_view path, client_time& out, refusal& why);

/// True for a number without point and exponent.
[[nodiscard]] bool is_integer(const json_node& value);
/// The value in quotes for a message, cut to a readable length.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace tally::api
