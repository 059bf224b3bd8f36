#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/query_json.hpp"
#include "domain/result.hpp"

/// What the readers of questions share. Internal to api/.
namespace tally::api {

/// A JSON pointer with one more step.
[[nodiscard]] std::string at(const std::string& pointer, std::size_t index);

/// Takes members out of a JSON object one by one and remembers in `outcome` the first thing that
/// was wrong, with its JSON pointer. The value and the outcome must outlive it.
class object_reader {
 public:
  object_reader(const nlohmann::json& value, std::string pointer, status& outcome);

  /// The member, or null where it is absent, null, or something is wrong already.
  const nlohmann::json* take(std::string_view name);
  void text(std::string_view name, std::string& into);
  void flag(std::string_view name, bool& into);
  void number(std::string_view name, std::uint32_t least, std::uint32_t most, std::uint32_t& into);
  void texts(std::string_view name, std::vector<std::string>& into);
  /// Fails on members that nobody took.
  void finish();
  void fail(std::string_view name, std::string_view text);
  [[nodiscard]] std::string path(std::string_view name) const;

 private:
  const nlohmann::json& value_;
  std::string pointer_;
  status& outcome_;
  std::vector<std::string_view> known_;
};

[[nodiscard]] bool is_pair_of_texts(const nlohmann::json& v);

/// The text of a question as JSON; bad_request where it is none, too long or nested too deep.
result<nlohmann::json> parse_question_json(std::string_view body);

// Members that all questions have.
void read_date_range(object_reader& body, question& q);
void read_question_filters(object_reader& body, question& q, status& outcome);
void read_pagination(object_reader& body, question& q, status& outcome);
void read_consistency(object_reader& body, query_request& request, status& outcome);
void read_generation(object_reader& body, query_request& request);

}  // namespace tally::api
