#include "actors/console.hpp"

#include <sodium.h>

#include <nlohmann/json.hpp>

namespace tally::actors {
namespace {

using reply = std::pair<std::uint8_t, std::string>;

bool same(const std::string& a, const std::string& b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// Carries an answer from the thread that found it back into the actor's reply.
caf::behavior courier(caf::event_based_actor* self,
                      caf::typed_response_promise<std::uint8_t, std::string> promise) {
  return {[self, promise](std::uint8_t code, std::string& text) mutable {
    promise.deliver(code, std::move(text));
    self->quit();
  }};
}

}  // namespace

console_actor::behavior_type console(console_actor::pointer self, std::string token,
                                     command_runner run) {
  return {[self, token = std::move(token), run = std::move(run)](
              console_atom, const std::string& shown,
              const std::string& words_json) -> caf::result<std::uint8_t, std::string> {
    auto promise = self->make_response_promise<std::uint8_t, std::string>();
    if (!same(shown, token)) {
      promise.deliver(static_cast<std::uint8_t>(errc::unauthorized),
                      std::string{"the console token is not this node's"});
      return promise;
    }
    const auto words = nlohmann::json::parse(words_json, nullptr, false);
    std::vector<std::string> list;
    if (words.is_array())
      for (const auto& w : words)
        if (w.is_string()) list.push_back(w.get<std::string>());
    auto to = self->spawn(courier, promise);
    run(std::move(list), [to](result<std::string> answer) {
      if (answer) {
        caf::anon_send(to, std::uint8_t{0}, std::move(*answer));
      } else {
        caf::anon_send(to, static_cast<std::uint8_t>(answer.error().code),
                       std::string{answer.error().detail});
      }
    });
    return promise;
  }};
}

}  // namespace tally::actors
