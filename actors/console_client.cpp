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
constexpr std::chrono::milliseconds stop_check{100};

/// Whether a command may work for minutes before it answers.
bool is_long(const std::vector<std::string>& words) {
  static constexpr std::array names{"rebuild", "backup", "rejects"};
  return !words.empty() && std::find(names.begin(), names.end(), words[0]) != names.end();
}

struct question_of_client {
  std::string token;
  std::vector<std::string> words;
  std::chrono::milliseconds limit;
};

/// Asks the node, and tells `client` what it says, or that it is gone: a request alone would wait
/// for its whole limit.
caf::behavior asker(caf::event_based_actor* self, const caf::actor& client,
                    const console_actor& node, const question_of_client& asked) {
  const auto tell = [self, client](errc code, std::string text) {
    self->send(client, static_cast<std::uint8_t>(code), std::move(text));
    self->quit();
  };
  self->monitor(node);
  self->set_down_handler([tell](caf::down_msg&) {
    tell(errc::unavailable, "the node is gone: it ended, or the connection broke");
  });
  const auto seconds = std::to_string(asked.limit.count() / 1'000);
  self->request(node, asked.limit, console_atom::value, asked.token,
                nlohmann::json(asked.words).dump())
      .then([tell](std::uint8_t code,
                   std::string& text) { tell(static_cast<errc>(code), std::move(text)); },
            [self, tell, seconds](caf::error& why) {
              tell(errc::unavailable, why == caf::sec::request_timeout
                                          ? "the node has not answered in " + seconds + " s"
                                          : "the node is gone: " + self->system().render(why));
            });
  // Nothing is sent to it; it ends by what it waits for.
  return {[](console_atom) {}};
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

result<std::string> console_client::run(const std::vector<std::string>& words,
                                        const std::function<bool()>& stop) {
  caf::scoped_actor self{impl_->system, true};
  const auto limit = is_long(words) ? std::chrono::milliseconds{long_timeout} : impl_->timeout;
  const auto asking = impl_->system.spawn(asker, caf::actor_cast<caf::actor>(self), impl_->node,
                                          question_of_client{impl_->token, words, limit});
  std::optional<result<std::string>> answer;
  while (!answer) {
    self->receive(
        [&](std::uint8_t code, std::string& text) {
          if (code == 0)
            answer.emplace(std::move(text));
          else
            answer.emplace(failure{static_cast<errc>(code), std::move(text)});
        },
        caf::after(stop_check) >>
            [&] {
              if (stop && stop())
                answer.emplace(
                    failure{errc::unavailable, "not waited for; the node goes on with it"});
            });
  }
  caf::anon_send_exit(asking, caf::exit_reason::user_shutdown);
  return std::move(*answer);
}

}  // namespace tally::actors
