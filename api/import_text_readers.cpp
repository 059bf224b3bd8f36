#include <arpa/inet.h>
#include <simdjson.h>

#include <array>
#include <utility>

#include "api/import_lines.hpp"
#include "api/import_reader.hpp"
#include "api/json_text.hpp"

namespace tally::api {

namespace {

/// What the reader must know of a line of JSON.
struct line_facts {
  bool is_object = false, is_empty = true, has_id = false;
  std::string merchant;
  std::string wrong;
};

/// Looks at the top level only: the node checks the rest.
line_facts facts_of(simdjson::ondemand::parser& parser, std::string& text) {
  using namespace simdjson;
  line_facts facts;
  text.reserve(text.size() + SIMDJSON_PADDING);
  ondemand::document document;
  ondemand::object object;
  auto error =
      parser.iterate(padded_string_view{text.data(), text.size(), text.capacity()}).get(document);
  if (!error) error = document.get_object().get(object);
  facts.is_object = !error;
  if (error) {
    facts.wrong = error_message(error);
    return facts;
  }
  for (auto entry : object) {
    std::string_view key, text_value;
    ondemand::field field;
    if (error) break;
    error = std::move(entry).get(field);
    if (!error) error = field.unescaped_key().get(key);
    if (error) break;
    facts.is_empty = false;
    ondemand::value value = field.value();
    if (key == "merchant") {
      error = value.get_string().get(text_value);
      facts.merchant = text_value;
    } else if (key == "id") {
      facts.has_id = true;
    }
  }
  if (error) facts.wrong = error_message(error);
  return facts;
}

class ndjson_reader : public import_reader {
 public:
  explicit ndjson_reader(std::string merchant) : merchant_{std::move(merchant)} {}

  void feed(std::string_view bytes, const import_sink& sink) override {
    lines_.feed(bytes, [&](auto... line) { take(line..., sink); });
  }
  void finish(const import_sink& sink) override {
    lines_.finish([&](auto... line) { take(line..., sink); });
  }
  [[nodiscard]] std::vector<line_count> last_lines() const override { return ids_.last(); }
  void remember(const std::vector<line_count>& lines) override { ids_.remember(lines); }

 private:
  void take(std::string_view text, std::uint64_t number, bool too_long, const import_sink& sink) {
    const auto refuse = [&](std::string code, std::string detail) {
      sink.refuse({number, std::move(code), std::move(detail), std::string{text}});
    };
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (number == 1 && text.starts_with(byte_order_mark))
      text.remove_prefix(byte_order_mark.size());
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return;
    if (too_long) return refuse("too_long", {});
    std::string json{text.substr(begin)};
    const auto facts = facts_of(parser_, json);
    if (!facts.is_object || !facts.wrong.empty()) return refuse("bad_json", facts.wrong);
    if (facts.merchant.empty() && merchant_.empty()) return refuse("no_merchant", {});
    if (!merchant_.empty() && !facts.merchant.empty() && facts.merchant != merchant_) {
      return refuse("other_merchant", facts.merchant);
    }
    std::string added;
    if (facts.merchant.empty()) append_field(added, "merchant", merchant_);
    if (!facts.has_id) append_field(added, "id", ids_.next(text));
    if (!added.empty()) json.insert(1, added.substr(1) + (facts.is_empty ? "" : ","));
    sink.event({std::move(json), number});
  }

  std::string merchant_;
  line_cutter lines_;
  line_ids ids_;
  simdjson::ondemand::parser parser_;
};

/// Some servers log host names; the node takes only addresses.
bool is_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

class log_reader : public import_reader {
 public:
  log_reader(std::string merchant, log_form form, std::string site)
      : merchant_{std::move(merchant)}, form_{form}, site_{std::move(site)} {}

  void feed(std::string_view bytes, const import_sink& sink) override {
    lines_.feed(bytes, [&](auto... line) { take(line..., sink); });
  }
  void finish(const import_sink& sink) override {
    lines_.finish([&](auto... line) { take(line..., sink); });
  }
  [[nodiscard]] std::vector<line_count> last_lines() const override { return ids_.last(); }
  void remember(const std::vector<line_count>& lines) override { ids_.remember(lines); }

 private:
  void take(std::string_view text, std::uint64_t number, bool too_long, const import_sink& sink) {
    const auto fault = too_long ? log_fault::bad_line : parse_access_line(text, form_, line_);
    if (fault != log_fault::none) {
      sink.refuse({number, std::string{to_string(fault)}, {}, std::string{text}});
      return;
    }
    const bool page = is_page_view(line_);
    std::string json = "{\"merchant\":";
    append_json_text(json, merchant_);
    append_field(json, "id", ids_.next(text));
    json += ",\"at\":" + std::to_string(to_ms(line_.at));
    append_field(json, "name", page ? "page_view" : "request");
    append_field(json, "visitor", hash_text(line_.address + "\n" + line_.agent));
    const bool is_path = line_.target.starts_with('/');
    append_field(json, "url", is_path ? site_ + line_.target : line_.target);
    append_field(json, "referrer", line_.referrer);
    append_field(json, "agent", line_.agent);
    if (is_address(line_.address)) append_field(json, "address", line_.address);
    if (!page) {
      json += ",\"props\":{\"method\":";
      append_json_text(json, line_.method);
      json += ",\"status\":" + std::to_string(line_.status) + "}";
    }
    sink.event({json + "}", number});
  }

  std::string merchant_;
  log_form form_;
  std::string site_;
  line_cutter lines_;
  line_ids ids_;
  access_line line_;
};

}  // namespace

std::unique_ptr<import_reader> make_ndjson_reader(std::string merchant) {
  return std::make_unique<ndjson_reader>(std::move(merchant));
}

std::unique_ptr<import_reader> make_log_reader(std::string merchant, log_form form,
                                               std::string site) {
  return std::make_unique<log_reader>(std::move(merchant), form, std::move(site));
}

}  // namespace tally::api
