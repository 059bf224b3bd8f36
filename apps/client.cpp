#include "apps/client.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "api/reply_table.hpp"
#include "config/node_options.hpp"
#include "config/token_file.hpp"
#include "domain/rates.hpp"
#include "persistence/ruleset_text.hpp"

namespace tally::apps {

namespace {

constexpr auto default_node = "127.0.0.1:7700";
constexpr std::chrono::milliseconds connect_timeout{5'000};
constexpr std::size_t rates_bytes_max = 32U << 20;

/// The text of a file of rates; a blank keeps it from being taken for an option.
result<std::string> read_rates_file(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in) return failure{errc::not_found, file + " cannot be opened"};
  std::string text(rates_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > rates_bytes_max) return failure{errc::over_limit, file + ": more than 32 MiB"};
  const auto rates = read_rates(text);
  if (!rates) return failure{rates.error().code, file + ": " + rates.error().detail};
  return text.starts_with("--") ? ' ' + text : text;
}

}  // namespace

client_flags::client_flags(CLI::App& command, std::vector<std::string> outputs)
    : given_{std::make_shared<given>()} {
  command.add_option("--node", given_->node,
                     "HOST:PORT of the node's console [$TALLY_NODE or 127.0.0.1:7700]");
  command.add_option("--token-file", given_->token_file,
                     "File with the node's token [found by the port]");
  std::string doc;
  for (const auto& one : outputs) doc += (doc.empty() ? "" : ", ") + one;
  command.add_option("-o,--output", given_->output, doc + " [table]")
      ->check(CLI::IsMember(std::move(outputs)));
}

result<std::unique_ptr<actors::console_client>> client_flags::connect() const {
  const char* variable = std::getenv("TALLY_NODE");
  auto node = given_->node;
  if (node.empty()) node = variable != nullptr ? variable : default_node;
  const auto place = config::parse_host_port(node);
  if (!place) return place.error();
  const auto path =
      given_->token_file.empty() ? config::token_path(place->port) : given_->token_file;
  auto token = config::read_token(path);
  if (!token && token.error().code == errc::not_found && given_->token_file.empty()) {
    return failure{errc::unavailable, "no node of this user has its console at " + node + " (" +
                                          token.error().detail + ")"};
  }
  if (!token) return token.error();
  return actors::console_client::connect(node, *token, connect_timeout);
}

int show_reply(const std::string& json_text, const std::string& output) {
  if (output == "json") {
    std::puts(json_text.c_str());
    return exit_ok;
  }
  const auto table = api::reply_table(json_text);
  if (!table) return report(table.error());
  const auto text = output == "csv" ? api::render_csv(*table) : api::render(*table);
  std::fputs(text.c_str(), stdout);
  return exit_ok;
}

result<std::string> read_ruleset_file(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in) return failure{errc::not_found, file + " cannot be opened"};
  std::string text(ruleset_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  const auto rules = persistence::read_ruleset(text);
  if (!rules) return failure{rules.error().code, file + ": " + rules.error().detail};
  return text;
}

result<std::vector<std::string>> with_file_texts(std::vector<std::string> words) {
  if (words.size() >= 3 && words[0] == "rates" && words[1] == "import" &&
      !words[2].starts_with("--")) {
    auto text = read_rates_file(words[2]);
    if (!text) return text.error();
    words[2] = std::move(*text);
  }
  if (words.size() == 3 && words[0] == "ruleset" && words[1] == "add") {
    auto text = read_ruleset_file(words[2]);
    if (!text) return text.error();
    words[2] = std::move(*text);
  }
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const bool version = words[i + 1].find_first_not_of("0123456789") == std::string::npos;
    if (words[0] != "reprocess" || words[i] != "--ruleset" || version) continue;
    auto text = read_ruleset_file(words[i + 1]);
    if (!text) return text.error();
    words[i + 1] = std::move(*text);
  }
  return words;
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace tally::apps
