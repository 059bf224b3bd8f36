#include "api/alias_book.hpp"

#include <algorithm>

#include "persistence/registry.hpp"

namespace tally::api {

const alias_book::entry* alias_book::find(std::string text) {
  if (const auto found = entries_.find(text); found != entries_.end()) return &found->second;
  const bool room = entries_.size() + missing_.size() < names_max;
  if (room && std::find(missing_.begin(), missing_.end(), text) == missing_.end())
    missing_.push_back(std::move(text));
  return nullptr;
}

const std::string* alias_book::merchant_of(std::string_view protocol, std::string_view name) {
  const bool own = persistence::claim_of(name).scope == "write";
  auto text =
      own ? std::string{key_prefix} + std::string{name} : persistence::alias_text(protocol, name);
  if (text.empty()) return nullptr;
  const auto* const found = find(std::move(text));
  return found != nullptr && found->merchant ? &*found->merchant : nullptr;
}

bool alias_book::is_platform_key(std::string_view key) {
  if (persistence::claim_of(key).scope != "platform") return false;
  const auto* const found = find(std::string{key_prefix} + std::string{key});
  return found != nullptr && found->is_platform;
}

void alias_book::learn(const std::string& text, std::optional<std::string> merchant,
                       bool honours_gpc) {
  if (merchant && honours_gpc) honouring_.insert(*merchant);
  entries_[text].merchant = std::move(merchant);
}

void alias_book::learn_platform_key(const std::string& text) {
  entries_[text].is_platform = true;
}

}  // namespace tally::api
