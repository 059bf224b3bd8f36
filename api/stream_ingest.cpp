#include "api/stream_ingest.hpp"

#include <map>
#include <vector>

#include "api/problem.hpp"
#include "api/stream_message.hpp"
#include "api/visitor_facts.hpp"

namespace tally::api {
namespace {

using steady_time = std::chrono::steady_clock::time_point;

class stream_ingest final : public web_socket_user,
                            public std::enable_shared_from_this<stream_ingest> {
 public:
  stream_ingest(const http_request& opening, std::string key, const stream_options& options,
                handler post)
      : options_{options},
        post_{std::move(post)},
        key_{std::move(key)},
        agent_{opening.header("User-Agent").value_or(std::string_view{})},
        opted_out_{opts_out(opening)},
        client_address_{opening.client_address},
        loop_{opening.loop} {}

  void opened(web_socket_line& line) override {
    line_ = &line;
    opened_at_ = std::chrono::steady_clock::now();
  }
  void received(std::string&& message, bool binary, http_charge charge) override;
  [[nodiscard]] bool wants_more() const override {
    return !draining_ && line_ != nullptr &&
           waiting_.size() + line_->unsent() < options_.messages_max;
  }
  void sent() override {
    if (line_ != nullptr) line_->read_on();
  }
  void drain() override {
    draining_ = true;
    end_if_drained();
  }
  void check_time(steady_time now) override;
  void closed() override {
    line_ = nullptr;
    waiting_.clear();
  }

 private:
  /// A message that was received and not answered yet.
  struct waiting_message {
    std::optional<std::uint64_t> seq;
    steady_time deadline;
    http_charge charge;
  };

  void pass_on(std::uint64_t number, stream_message&& message);
  void answer(std::uint64_t number, const http_response& response);
  void end_if_drained();

  stream_options options_;
  handler post_;
  std::string key_, agent_;
  bool opted_out_;  // as its opening said
  std::string client_address_;
  executor_ref loop_;
  web_socket_line* line_ = nullptr;
  steady_time opened_at_;
  std::uint64_t received_ = 0;
  std::map<std::uint64_t, waiting_message> waiting_;  // by number
  bool draining_ = false;
};

void stream_ingest::received(std::string&& message, bool, http_charge charge) {
  if (draining_) return;  // came while it was being read for the last time: nothing was taken
  const auto number = ++received_;
  auto read = read_stream_message(std::move(message));
  const auto deadline = std::chrono::steady_clock::now() + options_.answer_timeout;
  auto& waiting =
      waiting_.emplace(number, waiting_message{{}, deadline, std::move(charge)}).first->second;
  if (!read) return answer(number, problem(400, "bad_envelope", read.error().detail));
  waiting.seq = read->seq;
  if (!read->key.empty() && !key_.empty() && read->key != key_)
    return answer(number, problem(400, "bad_envelope", "key: this stream has another key already"));
  if (!read->key.empty()) key_ = read->key;
  pass_on(number, std::move(*read));
}

void stream_ingest::pass_on(std::uint64_t number, stream_message&& message) {
  http_request request;
  request.method = http_method::post;
  request.path = "/v1/events";
  request.client_address = client_address_;
  request.loop = loop_;
  if (!key_.empty()) request.headers.add("Authorization", "Bearer " + key_);
  if (!agent_.empty()) request.headers.add("User-Agent", agent_);
  if (opted_out_) request.headers.add("Sec-GPC", "1");
  if (!message.idempotency_key.empty())
    request.headers.add("Idempotency-Key", message.idempotency_key);
  request.body = std::move(message.body);
  request.body.reserve(request.body.size() + body_padding);
  post_(std::move(request),
        [weak = weak_from_this(), loop = loop_, number](http_response response) {
          if (current_loop() == loop.index()) {
            if (const auto self = weak.lock()) self->answer(number, response);
            return;
          }
          loop.post([weak, number, response = std::move(response)] {
            if (const auto self = weak.lock()) self->answer(number, response);
          });
        });
}

/// The body of the HTTP answer, with what its head would have said in front.
std::string answer_text(std::uint64_t number, std::optional<std::uint64_t> seq,
                        const http_response& response) {
  std::string text = "{\"message\":" + std::to_string(number);
  if (seq) text += ",\"seq\":" + std::to_string(*seq);
  for (const auto& [name, value] : response.headers)
    if (name == "Retry-After") text += ",\"retry_after_s\":" + value;
  if (!response.is_problem) text += ",\"status\":" + std::to_string(response.status);
  return text + ',' + response.body.substr(1);
}

void stream_ingest::answer(std::uint64_t number, const http_response& response) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end() || line_ == nullptr) return;
  line_->send(answer_text(number, found->second.seq, response));
  waiting_.erase(found);
  constexpr unsigned unknown_key = 401, wrong_scope = 403;
  if (response.status == unknown_key) return line_->end(web_socket_end::policy, "unknown key");
  if (response.status == wrong_scope) return line_->end(web_socket_end::policy, "wrong scope");
  end_if_drained();
  line_->read_on();
}

void stream_ingest::end_if_drained() {
  if (draining_ && waiting_.empty() && line_ != nullptr)
    line_->end(web_socket_end::going_away, "the node ends");
}

void stream_ingest::check_time(steady_time now) {
  std::vector<std::uint64_t> late;
  for (const auto& [number, waiting] : waiting_)
    if (now >= waiting.deadline) late.push_back(number);
  for (const auto number : late)
    answer(number, retry_later(problem(503, "timed_out", "no answer within the time limit"), 1));
  if (key_.empty() && received_ == 0 && line_ != nullptr && now - opened_at_ > options_.key_timeout)
    line_->end(web_socket_end::policy, "no key");
}

}  // namespace

std::shared_ptr<web_socket_user> make_stream_ingest(const http_request& opening, std::string key,
                                                    const stream_options& options, handler post) {
  return std::make_shared<stream_ingest>(opening, std::move(key), options, std::move(post));
}

}  // namespace tally::api
