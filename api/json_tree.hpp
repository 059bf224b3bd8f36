#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tally::api {

enum class json_kind : std::uint8_t { null, boolean, number, text, array, object };

/// One value of a document. The values inside an array or object follow it directly, an object's
/// keys as text nodes in front of their values.
struct json_node {
  std::string_view text{};  // text: unescaped; number: as written; array, object: its source bytes
  std::uint32_t count = 0;  // array: elements; object: fields
  std::uint32_t span = 1;   // nodes of the whole value: `this + span` is what follows
  json_kind kind = json_kind::null;
  bool truth = false;      // boolean
  std::uint8_t depth = 0;  // levels of arrays and objects, 0 for a plain value

  [[nodiscard]] bool is(json_kind k) const { return kind == k; }
};

/// The fields of an object in their order: for (auto [key, value] : json_fields(node)).
class json_fields {
 public:
  class iterator {
   public:
    iterator(const json_node* key, std::uint32_t left) : key_{key}, left_{left} {}
    std::pair<std::string_view, const json_node&> operator*() const {
      return {key_->text, key_[1]};
    }
    iterator& operator++() {
      key_ += 1 + key_[1].span;
      --left_;
      return *this;
    }
    bool operator!=(const iterator& other) const { return left_ != other.left_; }

   private:
    const json_node* key_;
    std::uint32_t left_;
  };
  explicit json_fields(const json_node& object) : object_{&object} {}
  [[nodiscard]] iterator begin() const { return {object_ + 1, count()}; }
  [[nodiscard]] static iterator end() { return {nullptr, 0}; }

 private:
  [[nodiscard]] std::uint32_t count() const {
    return object_->is(json_kind::object) ? object_->count : 0;
  }
  const json_node* object_;
};

/// The elements of an array in their order; none where the node is no array.
class json_elements {
 public:
  class iterator {
   public:
    iterator(const json_node* at, std::uint32_t left) : at_{at}, left_{left} {}
    const json_node& operator*() const { return *at_; }
    iterator& operator++() {
      at_ += at_->span;
      --left_;
      return *this;
    }
    bool operator!=(const iterator& other) const { return left_ != other.left_; }

   private:
    const json_node* at_;
    std::uint32_t left_;
  };
  explicit json_elements(const json_node& array) : array_{&array} {}
  [[nodiscard]] iterator begin() const {
    return {array_ + 1, array_->is(json_kind::array) ? array_->count : 0};
  }
  [[nodiscard]] static iterator end() { return {nullptr, 0}; }

 private:
  const json_node* array_;
};

/// The last field of that name, or null: also where `object` is null or no object.
[[nodiscard]] const json_node* find_field(const json_node* object, std::string_view key);

/// Bytes that stay where they are until clear(), which keeps a block.
class text_arena {
 public:
  /// Room for `size` bytes; give back what was not used with trim().
  char* take(std::size_t size);
  void trim(std::size_t unused) { used_ -= unused; }
  std::string_view keep(std::string_view text);
  void clear();

 private:
  struct block {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };
  std::vector<block> blocks_;
  std::size_t used_ = 0;  // of the last block
};

/// A document as a flat list of nodes; the first is the root. Cleared, it keeps what memory an
/// ordinary document needs.
struct json_tree {
  std::vector<json_node> nodes;
  text_arena texts;

  static constexpr std::size_t kept_nodes_max = 1 << 17;  // 4 MiB

  void clear() {
    if (nodes.capacity() > kept_nodes_max) nodes = std::vector<json_node>{};
    nodes.clear();
    texts.clear();
  }
};

/// Deeper nesting than this is not read at all.
constexpr unsigned json_depth_max = 64;

/// Where and why a document cannot be read.
struct json_fault {
  std::size_t byte = 0;
  std::string_view reason;  // a literal
};

/// "line 3, column 14: unexpected character"; columns count bytes, both begin at 1.
[[nodiscard]] std::string describe(const json_fault& fault, std::string_view document);

/// Reads JSON into trees; the whole text is checked. A lone surrogate escape (`\ud83d`, which
/// browsers write for a text cut inside an emoji) reads as U+FFFD. Reuse one object, it keeps its
/// memory. Not thread-safe.
class json_reader {
 public:
  json_reader();
  ~json_reader();

  /// Bytes that must be readable, with any content, behind the end of a document.
  static constexpr std::size_t padding = 64;

  /// Reads one object. Nodes point into `document` and into the tree.
  std::optional<json_fault> read_object(std::string_view document, json_tree& into);

  /// Reads an array, giving each element as a tree of its own to `f` until it returns false. After
  /// a fault the elements before it have been given already.
  std::optional<json_fault> read_array(std::string_view document, json_tree& into,
                                       const std::function<bool(const json_node&)>& f);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace tally::api
