#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/http_message.hpp"
#include "domain/named_filters.hpp"
#include "persistence/named_filter_store.hpp"

namespace tally::api {

/// What a request at or below /v1/goals or /v1/segments wants.
struct named_filter_wish {
  filter_use use = filter_use::goal;
  std::string name;  // empty: all of the merchant's
  bool remove = false;
  std::string filter;  // JSON; not empty: the name stands for it from now on

  [[nodiscard]] bool is_change() const { return remove || !filter.empty(); }
};

[[nodiscard]] bool is_named_filter_path(std::string_view path);

/// Reads method, path and body; the merchant is not looked at.
[[nodiscard]] std::variant<named_filter_wish, http_response> read_named_filter(
    const http_request& request);

/// The console command that makes the change, for a merchant.
[[nodiscard]] std::vector<std::string> command_of(const named_filter_wish& wish,
                                                  const std::string& merchant);
/// The answer to a change: what the command said or why it failed. To remove what is not there is
/// no failure, so that it may be repeated.
[[nodiscard]] http_response answer_of_change(const named_filter_wish& wish,
                                             const std::string& merchant, result<std::string> said);
/// The answer to a look at what there is.
[[nodiscard]] http_response answer_of_list(const named_filter_wish& wish,
                                           const std::vector<persistence::filter_record>& all);

}  // namespace tally::api
