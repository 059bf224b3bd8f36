#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/import_lines.hpp"
#include "api/import_mapping.hpp"
#include "domain/access_log.hpp"

namespace tally::api {

/// An event made from a file, as one line of JSON without line end.
struct imported_event {
  std::string json;
  std::uint64_t line = 0;  // of the file, from 1; of an order its first one
  bool refused = false;    // no event: tells the node of a line that became none
};

/// A line that became no event, or an event that the node refused.
struct refused_line {
  std::uint64_t line = 0;
  std::string code;    // bad_quantity, torn_line, ...
  std::string detail;  // for a person; may be empty
  std::string text;    // the line
};

struct import_sink {
  std::function<void(imported_event)> event;
  std::function<void(refused_line)> refuse;
};

/// Makes events of a file's bytes, in the order of the file: the same bytes give the same events,
/// however they are cut. An id made from a line is its hash and how many equal lines came before.
class import_reader {
 public:
  virtual ~import_reader() = default;
  virtual void feed(std::string_view bytes, const import_sink& sink) = 0;
  /// Says that the file is at its end.
  virtual void finish(const import_sink& sink) = 0;

  /// Lines for the reader of the file in which a log goes on: see line_ids.
  [[nodiscard]] virtual std::vector<line_count> last_lines() const = 0;
  virtual void remember(const std::vector<line_count>& lines) = 0;
};

/// Native events. `merchant` is written into lines that name none, and lines that name another are
/// refused (`other_merchant`); where it is empty, every line must name its own.
std::unique_ptr<import_reader> make_ndjson_reader(std::string merchant);

/// Requests of a web server: page views as is_page_view() says, every other line an event `request`
/// with props method and status; the visitor is (address, agent). `site` ("https://shop.example")
/// goes before paths.
std::unique_ptr<import_reader> make_log_reader(std::string merchant, log_form form,
                                               std::string site);

/// Rows by a mapping. The first row names the columns.
std::unique_ptr<import_reader> make_csv_reader(std::string merchant, import_mapping mapping);

}  // namespace tally::api
