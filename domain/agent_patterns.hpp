#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "domain/result.hpp"

namespace tally {

constexpr std::size_t agent_parts_max = 5;

/// One pattern of uap-core's kind. Of a browser or system the parts are family, major, minor, patch
/// and the fourth number; of a device family, brand and model.
struct agent_rule {
  std::string_view expression;
  bool any_case = false;
  /// What the parts are replaced by, `$1` to `$9` standing for groups; where it is empty the part
  /// is the group of its own number (of a device: family and model are group 1, the brand is
  /// nothing).
  std::array<std::string_view, agent_parts_max> parts{};
};

/// The parts of the first pattern that fits; all empty where none does.
using agent_parts = std::array<std::string, agent_parts_max>;

enum class agent_list : std::uint8_t { products, devices };

/// An ordered list of such patterns, the first that fits counts. All are tried at once, in time
/// linear in the text. May be used from any thread; copies share what was compiled.
class agent_patterns {
 public:
  /// bad_option names a pattern that is none. `rules` must live as long as this and its copies.
  static result<agent_patterns> make(std::span<const agent_rule> rules, agent_list kind);

  [[nodiscard]] agent_parts find(std::string_view agent) const;
  /// Whether a pattern fits.
  [[nodiscard]] bool fits(std::string_view agent) const { return !find(agent)[0].empty(); }

 private:
  struct compiled;
  explicit agent_patterns(std::shared_ptr<compiled> c) : compiled_{std::move(c)} {}
  std::shared_ptr<compiled> compiled_;
};

}  // namespace tally
