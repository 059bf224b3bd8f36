#include "cluster/etcd_json.hpp"

#include <sodium.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace tally::cluster {
namespace {

using json = nlohmann::json;

constexpr int base64_kind = sodium_base64_VARIANT_ORIGINAL;

std::string to_base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), base64_kind), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), base64_kind);
  text.pop_back();  // the end of a C string
  return text;
}

std::string from_base64(const std::string& text) {
  std::string bytes(text.size(), '\0');
  std::size_t size = 0;
  const auto failed =
      sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), nullptr, &size, nullptr, base64_kind);
  if (failed != 0) throw std::invalid_argument("no base64");
  bytes.resize(size);
  return bytes;
}

/// etcd writes 64-bit numbers as text and leaves out zeros.
std::uint64_t number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  const auto& text = found->get_ref<const std::string&>();
  std::uint64_t value = 0;
  std::int64_t below_zero = 0;
  const auto* end = text.data() + text.size();
  if (text.starts_with('-')) {
    if (std::from_chars(text.data(), end, below_zero).ptr == end) return 0;
  } else if (std::from_chars(text.data(), end, value).ptr == end) {
    return value;
  }
  throw std::invalid_argument("no number");
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? std::string{} : from_base64(found->get<std::string>());
}

etcd_entry entry_of(const json& kv) {
  return {text_of(kv, "key"), text_of(kv, "value"), number(kv, "create_revision"),
          number(kv, "mod_revision"), number(kv, "lease")};
}

std::uint64_t revision_of(const json& answer) {
  return number(answer.at("header"), "revision");
}

/// Exceptions of the JSON library end here.
template <class F>
auto parse(std::string_view text, F f) -> result<decltype(f(json{}))> {
  try {
    return f(json::parse(text));
  } catch (const std::exception& e) {
    return failure{errc::corrupt_record, "etcd's answer: " + std::string{e.what()}};
  }
}

bool flag(const json& object, const char* key) {
  return object.value(key, false);
}

}  // namespace

std::string end_of_prefix(std::string_view prefix) {
  std::string end{prefix};
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) {
    end.push_back('\0');  // to etcd: everything
    return end;
  }
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::string range_request(std::string_view key, bool is_prefix) {
  json request{{"key", to_base64(key)}};
  if (is_prefix) request["range_end"] = to_base64(end_of_prefix(key));
  return request.dump();
}

std::string transaction_request(const etcd_transaction& transaction) {
  auto compares = json::array(), changes = json::array();
  for (const auto& c : transaction.compares) {
    compares.push_back({{"key", to_base64(c.key)},
                        {"target", "MOD"},
                        {"result", "EQUAL"},
                        {"mod_revision", std::to_string(c.mod_revision)}});
  }
  for (const auto& p : transaction.puts) {
    changes.push_back({{"request_put",
                        {{"key", to_base64(p.key)},
                         {"value", to_base64(p.value)},
                         {"lease", std::to_string(p.lease)}}}});
  }
  for (const auto& key : transaction.deletes) {
    changes.push_back({{"request_delete_range", {{"key", to_base64(key)}}}});
  }
  return json{{"compare", compares}, {"success", changes}}.dump();
}

std::string watch_request(std::string_view prefix, std::uint64_t from_revision) {
  return json{{"create_request",
               {{"key", to_base64(prefix)},
                {"range_end", to_base64(end_of_prefix(prefix))},
                {"start_revision", std::to_string(from_revision)}}}}
      .dump();
}

result<etcd_range> parse_range(std::string_view text) {
  return parse(text, [](const json& answer) {
    etcd_range range;
    range.revision = revision_of(answer);
    for (const auto& kv : answer.value("kvs", json::array())) range.entries.push_back(entry_of(kv));
    return range;
  });
}

result<etcd_transaction_reply> parse_transaction(std::string_view text) {
  return parse(text, [](const json& answer) {
    return etcd_transaction_reply{flag(answer, "succeeded"), revision_of(answer)};
  });
}

result<etcd_grant> parse_grant(std::string_view text) {
  return parse(text, [](const json& answer) {
    const etcd_grant granted{number(answer, "ID"), std::chrono::seconds{number(answer, "TTL")}};
    if (granted.id == 0 || granted.ttl.count() == 0) throw std::invalid_argument("no lease");
    return granted;
  });
}

result<std::chrono::seconds> parse_keep_alive(std::string_view text) {
  return parse(text, [](const json& answer) {
    return std::chrono::seconds{number(answer.at("result"), "TTL")};
  });
}

result<std::string> parse_token(std::string_view text) {
  return parse(text, [](const json& answer) { return answer.at("token").get<std::string>(); });
}

failure parse_failure(unsigned status, std::string_view text) {
  // Codes of gRPC; those that are not named may come after the change was made.
  constexpr unsigned invalid = 3, absent = 5, forbidden = 7, exhausted = 8, precondition = 9,
                     out_of_range = 11, unauthenticated = 16;
  const auto answer = json::parse(text, nullptr, false);
  const bool is_known = answer.is_object() && answer.contains("code") &&
                        answer["code"].is_number_unsigned() && answer.contains("message") &&
                        answer["message"].is_string();
  if (!is_known) return {errc::unavailable, "etcd answers " + std::to_string(status)};
  auto message = answer["message"].get<std::string>();
  switch (answer["code"].get<unsigned>()) {
    case invalid:
      // An expired token is an invalid argument to etcd before 3.5.
      return {
          message.find("auth token") == std::string::npos ? errc::bad_request : errc::unauthorized,
          std::move(message)};
    case precondition:
      return {errc::bad_request, std::move(message)};
    case absent:
    case out_of_range:
      return {errc::not_found, std::move(message)};
    case forbidden:
      return {errc::forbidden, std::move(message)};
    case exhausted:
      return {errc::over_limit, std::move(message)};
    case unauthenticated:
      return {errc::unauthorized, std::move(message)};
    default:
      return {errc::unavailable, std::move(message)};
  }
}

result<etcd_watch_line> parse_watch_line(std::string_view text) {
  return parse(text, [](const json& line) {
    if (line.contains("error")) throw std::invalid_argument(line.at("error").dump());
    const auto& answer = line.at("result");
    etcd_watch_line parsed;
    parsed.is_created = flag(answer, "created");
    parsed.is_cancelled = flag(answer, "canceled");
    parsed.compact_revision = number(answer, "compact_revision");
    for (const auto& event : answer.value("events", json::array())) {
      parsed.events.push_back({entry_of(event.at("kv")), event.value("type", "PUT") == "DELETE"});
    }
    return parsed;
  });
}

}  // namespace tally::cluster
