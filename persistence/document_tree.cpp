#include "persistence/document_tree.hpp"

#include <toml++/toml.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

namespace tally::persistence {
namespace {

using form = document_node::form;

text_place place_of(const toml::source_region& at) {
  return {at.begin.line, at.begin.column};
}

document_node from_toml(const toml::node& node) {
  document_node out;
  out.place = place_of(node.source());
  if (const auto* text = node.as_string()) {
    out.is = form::text;
    out.text = text->get();
  } else if (const auto* number = node.as_integer()) {
    out.is = form::integer;
    out.integer = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    out.is = form::flag;
    out.flag = flag->get();
  } else if (const auto* list = node.as_array()) {
    out.is = form::list;
    for (const auto& item : *list) out.items.push_back(from_toml(item));
  } else if (const auto* table = node.as_table()) {
    out.is = form::table;
    for (const auto& [key, value] : *table) {
      out.keys.push_back({std::string{key.str()}, place_of(key.source())});
      out.items.push_back(from_toml(value));
    }
  } else {
    out.is = form::other;
  }
  return out;
}

/// Counts the bytes that a parser has taken.
class counted_bytes {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  counted_bytes(const char* at, std::size_t* taken) : at_{at}, taken_{taken} {}
  reference operator*() const { return *at_; }
  counted_bytes& operator++() {
    ++at_;
    if (taken_ != nullptr) ++*taken_;
    return *this;
  }
  counted_bytes operator++(int) {
    auto before = *this;
    ++*this;
    return before;
  }
  bool operator==(const counted_bytes& other) const { return at_ == other.at_; }
  bool operator!=(const counted_bytes& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  std::size_t* taken_;
};

/// Builds the tree from the parser's calls. A value begins behind the end of the one before it.
class tree_builder : public nlohmann::json::json_sax_t {
 public:
  tree_builder(std::string_view text, const std::size_t& taken) : text_{text}, taken_{taken} {}

  bool null() override { return add(form::other); }
  bool boolean(bool value) override {
    const bool good = add(form::flag);
    last_->flag = value;
    return good;
  }
  bool number_integer(number_integer_t value) override {
    const bool good = add(form::integer);
    last_->integer = value;
    return good;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      return add(form::other);
    return number_integer(static_cast<number_integer_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return add(form::other); }
  bool string(string_t& value) override {
    const bool good = add(form::text);
    last_->text = std::move(value);
    return good;
  }
  bool binary(binary_t&) override { return add(form::other); }
  bool start_object(std::size_t) override { return open(form::table); }
  bool start_array(std::size_t) override { return open(form::list); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    auto& table = open_.back();
    table.keys.push_back({std::move(name), begin_of_token()});
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    const std::string what = e.what();
    const auto detail = what.find("syntax error");
    error = wrong_at(place_at(position == 0 ? 0 : position - 1),
                     detail == std::string::npos ? what : what.substr(detail));
    return false;
  }

  document_node root;
  std::optional<failure> error;

 private:
  [[nodiscard]] text_place place_at(std::size_t byte) const {
    text_place place;
    for (std::size_t i = 0; i < byte && i < text_.size(); ++i) {
      ++place.column;
      if (text_[i] == '\n') place = {place.line + 1, 1};
    }
    return place;
  }
  text_place begin_of_token() {
    while (end_ < text_.size() &&
           std::string_view{" \t\r\n,:[]{}"}.find(text_[end_]) != std::string_view::npos)
      ++end_;
    const auto place = place_at(end_);
    end_ = taken_;
    return place;
  }
  bool add(form is) {
    document_node node;
    node.is = is;
    node.place = begin_of_token();
    if (open_.empty()) {
      root = std::move(node);
      last_ = &root;
      return true;
    }
    open_.back().items.push_back(std::move(node));
    last_ = &open_.back().items.back();
    return true;
  }
  bool open(form is) {
    if (open_.size() >= document_depth_max) {
      error = wrong_at(place_at(taken_), "nested too deeply");
      return false;
    }
    document_node node;
    node.is = is;
    node.place = place_at(taken_ == 0 ? 0 : taken_ - 1);
    end_ = taken_;
    open_.push_back(std::move(node));
    return true;
  }
  bool close() {
    auto node = std::move(open_.back());
    open_.pop_back();
    end_ = taken_;
    (open_.empty() ? root : open_.back().items.emplace_back()) = std::move(node);
    return true;
  }

  std::string_view text_;
  const std::size_t& taken_;
  std::size_t end_ = 0;  // of the value before
  std::vector<document_node> open_;
  document_node* last_ = nullptr;
};

result<document_node> read_json(std::string_view text) {
  std::size_t taken = 0;
  tree_builder builder{text, taken};
  const bool good =
      nlohmann::json::sax_parse(counted_bytes{text.data(), &taken},
                                counted_bytes{text.data() + text.size(), nullptr}, &builder);
  if (!good) return builder.error.value_or(failure{errc::bad_request, "no JSON"});
  return std::move(builder.root);
}

std::size_t depth_of(const document_node& node) {
  std::size_t deepest = 0;
  for (const auto& item : node.items) deepest = std::max(deepest, depth_of(item));
  return deepest + 1;
}

result<document_node> read_toml(std::string_view text) {
  try {
    auto root = from_toml(toml::parse(text));
    if (depth_of(root) > document_depth_max) return wrong_at(root.place, "nested too deeply");
    return root;
  } catch (const toml::parse_error& error) {
    return wrong_at(place_of(error.source()), std::string{error.description()});
  }
}

}  // namespace

failure wrong_at(const text_place& place, const std::string& what) {
  return {errc::bad_request, "line " + std::to_string(place.line) + ", column " +
                                 std::to_string(place.column) + ": " + what};
}

result<document_node> read_document(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return read_json(text);
  return read_toml(text);
}

}  // namespace tally::persistence
