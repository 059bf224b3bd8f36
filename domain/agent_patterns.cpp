#include "domain/agent_patterns.hpp"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "domain/ensure.hpp"

namespace tally {
namespace {

// Of the automaton that tries all patterns of a list at once. It is thrown away and begun anew when
// it is full, so this bounds memory and changes no answer.
constexpr std::int64_t automaton_bytes_max = 16 << 20;
constexpr std::int64_t expression_bytes_max = 2 << 20;  // of one pattern
constexpr int groups_max = 10;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

RE2::Options options_for(bool any_case, std::int64_t bytes_max) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!any_case);
  options.set_encoding(RE2::Options::EncodingLatin1);  // agents are bytes
  options.set_max_mem(bytes_max);
  return options;
}

/// The end of a repetition with bounds, `{1,200}`, that begins at `at`; npos where there is none.
std::size_t bounds_end(std::string_view expression, std::size_t at) {
  const auto end = expression.find('}', at);
  if (end == std::string_view::npos || end < at + 3) return std::string_view::npos;
  const auto inside = expression.substr(at + 1, end - at - 1);
  const bool numbers = inside.find_first_not_of("0123456789,") == std::string_view::npos;
  const bool range = inside.find(',') != std::string_view::npos && inside.front() != ',';
  return numbers && range ? end : std::string_view::npos;
}

/// The pattern without upper bounds: it fits wherever the pattern fits. Counting to 200 in hundreds
/// of patterns at once would give the automaton a new state for each byte of each new agent.
std::string unbounded(std::string_view expression) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '\\' && i + 1 < expression.size()) {
      out.append(expression.substr(i++, 2));
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    const auto end = c == '{' && !in_class ? bounds_end(expression, i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += c;
      continue;
    }
    out += expression.substr(i + 1).starts_with("0,") ? '*' : '+';
    i = end;
  }
  return out;
}

/// `$1` to `$9` replaced by the groups.
std::string fill_in(std::string_view words, std::span<const re2::StringPiece> groups) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool group =
        words[i] == '$' && i + 1 < words.size() && words[i + 1] >= '1' && words[i + 1] <= '9';
    if (!group) {
      out += words[i];
      continue;
    }
    const auto number = static_cast<std::size_t>(words[++i] - '0');
    if (number < groups.size() && !groups[number].empty())
      out.append(groups[number].data(), groups[number].size());
  }
  return out;
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \t") + 1);
  text.erase(0, std::min(text.find_first_not_of(" \t"), text.size()));
  return text;
}

}  // namespace

struct agent_patterns::compiled {
  /// Compiled when it is first needed: most patterns never are.
  struct exact {
    std::once_flag once;
    std::unique_ptr<RE2> expression;
  };

  std::span<const agent_rule> rules;
  agent_list kind{};
  std::unique_ptr<RE2::Set> plain, any_case;  // each with its own numbers
  std::vector<std::size_t> plain_rules, any_case_rules;
  std::unique_ptr<exact[]> exacts;

  const RE2& expression_of(std::size_t rule) {
    auto& e = exacts[rule];
    std::call_once(e.once, [&] {
      e.expression = std::make_unique<RE2>(piece(rules[rule].expression),
                                           options_for(rules[rule].any_case, expression_bytes_max));
      ensure(e.expression->ok(), "a user agent pattern is too large");
    });
    return *e.expression;
  }

  void add_candidates(const RE2::Set* set, const std::vector<std::size_t>& rules_of_set,
                      std::string_view agent, std::vector<std::size_t>& out) const {
    if (set == nullptr) return;
    std::vector<int> found;
    RE2::Set::ErrorInfo error{};
    if (set->Match(piece(agent), &found, &error)) {
      for (const auto number : found) out.push_back(rules_of_set[static_cast<std::size_t>(number)]);
    } else if (error.kind != RE2::Set::kNoError) {
      out.insert(out.end(), rules_of_set.begin(), rules_of_set.end());
    }
  }

  bool take(std::size_t rule, std::string_view agent, agent_parts& out);
};

bool agent_patterns::compiled::take(std::size_t rule, std::string_view agent, agent_parts& out) {
  const auto& expression = expression_of(rule);
  std::array<re2::StringPiece, groups_max> found;
  const int count = std::min(groups_max, expression.NumberOfCapturingGroups() + 1);
  if (!expression.Match(piece(agent), 0, agent.size(), RE2::UNANCHORED, found.data(), count))
    return false;
  const std::span groups{found.data(), static_cast<std::size_t>(count)};
  const auto& parts = rules[rule].parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t own =
        kind == agent_list::products ? i + 1 : std::array{1u, 0u, 1u, 0u, 0u}[i];
    if (!parts[i].empty()) {
      out[i] = trimmed(fill_in(parts[i], groups));
    } else if (own != 0 && own < groups.size() && !groups[own].empty()) {
      out[i] = trimmed({groups[own].data(), groups[own].size()});
    }
  }
  return true;
}

result<agent_patterns> agent_patterns::make(std::span<const agent_rule> rules, agent_list kind) {
  auto made = std::make_shared<compiled>();
  made->rules = rules;
  made->kind = kind;
  made->exacts = std::make_unique<compiled::exact[]>(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    auto& set = rules[i].any_case ? made->any_case : made->plain;
    if (!set)
      set = std::make_unique<RE2::Set>(options_for(rules[i].any_case, automaton_bytes_max),
                                       RE2::UNANCHORED);
    std::string why;
    if (set->Add(unbounded(rules[i].expression), &why) < 0)
      return failure{errc::bad_option,
                     "'" + std::string{rules[i].expression} + "' is no regular expression: " + why};
    (rules[i].any_case ? made->any_case_rules : made->plain_rules).push_back(i);
  }
  for (auto* const set : {made->plain.get(), made->any_case.get()})
    if (set != nullptr && !set->Compile())
      return failure{errc::bad_option, "the user agent patterns need too much memory"};
  return agent_patterns{std::move(made)};
}

agent_parts agent_patterns::find(std::string_view agent) const {
  std::vector<std::size_t> candidates;
  compiled_->add_candidates(compiled_->plain.get(), compiled_->plain_rules, agent, candidates);
  compiled_->add_candidates(compiled_->any_case.get(), compiled_->any_case_rules, agent,
                            candidates);
  std::sort(candidates.begin(), candidates.end());
  agent_parts out;
  for (const auto rule : candidates)
    if (compiled_->take(rule, agent, out)) break;
  return out;
}

}  // namespace tally
