#include "actors/console_client.hpp"

#include <algorithm>
#include <array>
#include <caf/io/all.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "actors/messages.hpp"

namespace tally::actors {

struct console_client::impl {
  explicit impl(caf::actor_system_config& c) : system{c} {}

  caf::actor_system system;
  console_actor node;
  std::string token;
  std::chrono::milliseconds timeout{};
};

namespace {

/// Lives as long as the process: actor_system keeps a reference.
caf::actor_system_config& client_config() {
  static caf::actor_system_config config;
  static const bool loaded = [] {
    config.load<caf::io::middleman>();
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-threads", std::size_t{1});
    config.set("logger.console", caf::atom("none"));
    return true;
  }();
  static_cast<void>(loaded);
  return config;
}

constexpr std::chrono::minutes long_timeout{10};

/// Whether a command may work for minutes before it answers.
bool is_long(const std::vector<std::string>& words) {
  static constexpr std::array names{"rebuild", "backup", "rejects"};
  return !words.empty() && std::find(names.begin(), names.end(), words[0]) != names.end();
}

}  // namespace

console_client::console_client(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
console_client::~console_client() = default;

result<std::unique_ptr<console_client>> console_client::connect(std::string host_port,
                                                                std::string token,
                                                                std::chrono::milliseconds timeout) {
  const auto colon = host_port.rfind(':');
  const auto port =
      colon == std::string::npos ? 0 : std::strtoul(host_port.c_str() + colon + 1, nullptr, 10);
  if (port == 0 || port > 65'535)
    return failure{errc::bad_request, "'" + host_port + "' is not HOST:PORT"};
  auto made = std::make_unique<impl>(client_config());
  made->token = std::move(token);
  made->timeout = timeout;
  auto node = made->system.middleman().remote_actor<console_actor>(
      host_port.substr(0, colon), static_cast<std::uint16_t>(port));
  if (!node)
    return failure{errc::unavailable, "no node answers at " + host_port +
                                          " (start one with: tally node --data-dir DIR)"};
  made->node = std::move(*node);
  return std::unique_ptr<console_client>{new console_client{std::move(made)}};
}

result<std::string> console_client::run(const std::vector<std::string>& words) {
  caf::scoped_actor self{impl_->system, true};
  std::optional<result<std::string>> answer;
  const auto limit = is_long(words) ? std::chrono::milliseconds{long_timeout} : impl_->timeout;
  self->request(impl_->node, limit, console_atom::value, impl_->token, nlohmann::json(words).dump())
      .receive(
          [&](std::uint8_t code, std::string& text) {
            if (code == 0) {
              answer.emplace(std::move(text));
            } else {
              answer.emplace(failure{static_cast<errc>(code), std::move(text)});
            }
          },
          [&](caf::error& why) {
            answer.emplace(failure{
                errc::unavailable,
                why == caf::sec::request_timeout
                    ? "the node has not answered in " + std::to_string(limit.count() / 1'000) + " s"
                    : "the node is gone: " + impl_->system.render(why)});
          });
  return std::move(*answer);
}

}  // namespace tally::actors
