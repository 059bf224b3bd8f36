#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tally::api {

/// What the foreign names in one request stand for. A parser asks it for each name; those that it
/// does not know yet are gathered, to be looked up before the body is parsed once more.
class alias_book {
 public:
  /// The merchant of a name, which may also be a write key of ours. Null where the name is unknown,
  /// cannot be a name, or is not known yet. Stays valid as long as the book.
  const std::string* merchant_of(std::string_view protocol, std::string_view name);
  /// True where `key` is a platform key: whoever shows it is believed.
  bool is_platform_key(std::string_view key);
  /// Whether a merchant that it has learned stores nobody who asks not to be followed.
  [[nodiscard]] bool honours_gpc(std::string_view merchant) const {
    return honouring_.contains(merchant);
  }

  /// What is still to be looked up: alias texts, and keys behind key_prefix. At most names_max;
  /// further names of one request are unknown.
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }
  /// What became of a missing one; nothing where it is unknown.
  void learn(const std::string& text, std::optional<std::string> merchant,
             bool honours_gpc = false);
  void learn_platform_key(const std::string& text);
  /// All missing ones are learned: the next parse begins.
  void turn_page() { missing_.clear(); }

  static constexpr std::string_view key_prefix = "key:";
  static constexpr std::size_t names_max = 100;

 private:
  struct entry {
    std::optional<std::string> merchant;
    bool is_platform = false;
  };
  const entry* find(std::string text);

  std::map<std::string, entry, std::less<>> entries_;
  std::set<std::string, std::less<>> honouring_;
  std::vector<std::string> missing_;
};

}  // namespace tally::api
