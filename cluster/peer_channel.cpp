#include "cluster/peer_channel.hpp"

#include <algorithm>

#include "cluster/replica_wire.hpp"
#include "domain/bytes.hpp"

namespace tally::cluster {
namespace {

constexpr std::size_t frame_head_bytes = 11;

bool has_chunks(const replica_message& m) {
  const auto* append = std::get_if<append_message>(&m.body);
  return append != nullptr && !append->chunks.empty();
}

/// An answer: 0 and the text, or the number of the errc and what went wrong.
std::string write_answer(const result<std::string>& what) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(what ? 0 : static_cast<std::uint8_t>(what.error().code));
  out.raw(what ? *what : what.error().detail);
  return bytes;
}

result<std::string> read_answer(std::string bytes) {
  if (bytes.empty()) return failure{errc::corrupt_record, "a peer's answer is empty"};
  const auto code = static_cast<std::uint8_t>(bytes.front());
  bytes.erase(0, 1);
  if (code == 0) return bytes;
  return failure{static_cast<errc>(code), std::move(bytes)};
}

}  // namespace

/// Answers when it is called, or when nobody can call it any more.
class peer_channel::slot {
 public:
  slot(std::shared_ptr<peer_channel> channel, std::uint64_t number, std::uint64_t call)
      : channel_{std::move(channel)}, number_{number}, call_{call} {}
  slot(const slot&) = delete;
  slot& operator=(const slot&) = delete;
  ~slot() { give(failure{errc::unavailable, "the request was dropped"}); }

  void give(const result<std::string>& what) {
    if (!given_.exchange(true)) channel_->finish(number_, call_, what);
  }

 private:
  std::shared_ptr<peer_channel> channel_;
  std::uint64_t number_, call_;
  std::atomic<bool> given_{false};
};

std::uint64_t peer_channel::open(connection to) {
  const std::scoped_lock lock{mutex_};
  to_ = std::move(to);
  unanswered_ = {};
  return ++number_;
}

void peer_channel::close(std::uint64_t number) {
  std::map<std::uint64_t, waiting> failed;
  std::optional<connection> closed;  // must not be destroyed while locked
  {
    const std::scoped_lock lock{mutex_};
    if (number != number_) return;
    closed.swap(to_);
    failed.swap(asked_);
    calls_.clear();
    call_bytes_ = served_ = 0;
    ++number_;
  }
  metrics_->calls_failed += failed.size();
  const failure why{errc::unavailable,
                    "node " + std::to_string(peer_.value) + " went away before it answered"};
  for (auto& [call, each] : failed) each.then(why);
}

bool peer_channel::is_open() const {
  const std::scoped_lock lock{mutex_};
  return to_.has_value();
}

void peer_channel::send(std::vector<replica_message> messages) {
  const auto data = std::stable_partition(messages.begin(), messages.end(),
                                          [](const auto& m) { return !has_chunks(m); });
  const auto* first = messages.data();
  const auto* middle = first + (data - messages.begin());
  const std::scoped_lock lock{mutex_};
  if (!to_) {
    metrics_->messages_dropped += messages.size();
    return;
  }
  send_lane(peer_lane::signal, first, middle, options_.signal_window_bytes_max);
  send_lane(peer_lane::data, middle, first + messages.size(), options_.data_window_bytes_max);
}

void peer_channel::send_lane(peer_lane lane, const replica_message* first,
                             const replica_message* last, std::size_t window) {
  auto& unanswered = unanswered_[static_cast<std::size_t>(lane)];
  while (first != last) {
    std::size_t count = 0, bytes = frame_head_bytes;
    for (const auto* m = first; m != last; ++m, ++count) {
      const auto more = frame_bytes(*m);
      if (count > 0 && bytes + more > options_.piece_bytes_max) break;
      bytes += more;
    }
    if (unanswered > 0 && unanswered + bytes > window) {
      metrics_->messages_dropped += static_cast<std::uint64_t>(last - first);
      return;
    }
    metrics_->messages_sent += count;
    give_frame(lane, encode_frame(first, count));
    first += count;
  }
}

void peer_channel::give_frame(peer_lane lane, std::string frame) {
  unanswered_[static_cast<std::size_t>(lane)] += frame.size();
  metrics_->bytes_sent += frame.size();
  const auto most = options_.piece_bytes_max;
  if (frame.size() <= most) return to_->give({lane, 0, false, true, std::move(frame)});
  for (std::size_t at = 0; at < frame.size(); at += most)
    to_->give({lane, 0, false, at + most >= frame.size(), frame.substr(at, most)});
}

std::optional<failure> peer_channel::refusal(std::size_t bytes) const {
  const auto node = "node " + std::to_string(peer_.value);
  if (!to_) return failure{errc::unavailable, node + " is not connected"};
  if (asked_.size() >= options_.calls_max)
    return failure{errc::over_limit, node + " has too many requests to answer"};
  if (bytes > options_.call_bytes_max)
    return failure{errc::over_limit, "a request of " + std::to_string(bytes) + " bytes"};
  if (call_bytes_ + bytes > options_.call_queue_bytes_max)
    return failure{errc::over_limit, "too many bytes are on their way to " + node};
  return std::nullopt;
}

void peer_channel::ask(const std::string& kind, const std::string& body,
                       std::chrono::milliseconds timeout, answer then) {
  std::string bytes;
  byte_writer out{bytes};
  out.text(kind);
  out.raw(body);
  std::optional<failure> refused;
  {
    const std::scoped_lock lock{mutex_};
    refused = refusal(bytes.size());
    if (!refused) {
      const auto call = next_call_++;
      asked_.emplace(call, waiting{std::move(then), clock::now() + timeout});
      ++metrics_->calls_asked;
      if (asked_.size() == 1) to_->arm();
      queue({call, false, std::move(bytes), 0});
      return;
    }
  }
  ++metrics_->calls_failed;
  then(std::move(*refused));
}

void peer_channel::queue(outgoing what) {
  call_bytes_ += what.bytes.size();
  metrics_->bytes_sent += what.bytes.size();
  calls_.push_back(std::move(what));
  pump();
}

/// A piece of each call in turn, so that a small one does not wait for a large one.
void peer_channel::pump() {
  auto& unanswered = unanswered_[static_cast<std::size_t>(peer_lane::call)];
  while (!calls_.empty() && unanswered < options_.call_window_bytes_max) {
    auto& call = calls_.front();
    const auto size = std::min(options_.piece_bytes_max, call.bytes.size() - call.sent);
    peer_piece piece{peer_lane::call, call.call, call.is_answer,
                     call.sent + size == call.bytes.size(), call.bytes.substr(call.sent, size)};
    call.sent += size;
    unanswered += size;
    if (piece.is_last) {
      call_bytes_ -= call.bytes.size();
      calls_.pop_front();
    } else {
      calls_.splice(calls_.end(), calls_, calls_.begin());
    }
    to_->give(std::move(piece));
  }
}

void peer_channel::credit(peer_lane lane, std::uint64_t bytes) {
  const std::scoped_lock lock{mutex_};
  auto& unanswered = unanswered_[static_cast<std::size_t>(lane)];
  unanswered -= std::min<std::size_t>(unanswered, bytes);
  if (to_) pump();
}

void peer_channel::answered(std::uint64_t call, std::optional<std::string> bytes) {
  answer then;
  {
    const std::scoped_lock lock{mutex_};
    const auto found = asked_.find(call);
    if (found == asked_.end()) return;
    then = std::move(found->second.then);
    asked_.erase(found);
  }
  auto what = bytes ? read_answer(std::move(*bytes))
                    : failure{errc::over_limit, "the answer has too many bytes"};
  if (!what) ++metrics_->calls_failed;
  then(std::move(what));
}

bool peer_channel::expire() {
  std::vector<answer> late;
  bool more = false;
  {
    const std::scoped_lock lock{mutex_};
    const auto now = clock::now();
    for (auto each = asked_.begin(); each != asked_.end();) {
      if (each->second.deadline > now) {
        ++each;
        continue;
      }
      late.push_back(std::move(each->second.then));
      const auto unsent = std::ranges::find_if(calls_, [&](const outgoing& o) {
        return o.call == each->first && !o.is_answer && o.sent == 0;
      });
      if (unsent != calls_.end()) {
        call_bytes_ -= unsent->bytes.size();
        calls_.erase(unsent);
      }
      each = asked_.erase(each);
    }
    more = !asked_.empty();
  }
  metrics_->calls_failed += late.size();
  const failure why{errc::unavailable,
                    "node " + std::to_string(peer_.value) + " has not answered in time"};
  for (auto& then : late) then(why);
  return more;
}

peer_channel::answer peer_channel::serve(std::uint64_t number, std::uint64_t call) {
  {
    const std::scoped_lock lock{mutex_};
    if (number != number_) return {};
    if (served_ >= options_.calls_max) {
      put_answer(call, failure{errc::over_limit, "too many requests are open"});
      return {};
    }
    ++served_;
  }
  ++metrics_->calls_served;
  return [open = std::make_shared<slot>(shared_from_this(), number, call)](
             const result<std::string>& what) { open->give(what); };
}

void peer_channel::refuse(std::uint64_t call, const failure& why) {
  const std::scoped_lock lock{mutex_};
  if (to_) put_answer(call, why);
}

void peer_channel::finish(std::uint64_t number, std::uint64_t call,
                          const result<std::string>& what) {
  const std::scoped_lock lock{mutex_};
  if (number != number_) return;
  --served_;
  put_answer(call, what);
}

void peer_channel::put_answer(std::uint64_t call, const result<std::string>& what) {
  auto bytes = write_answer(what);
  if (bytes.size() > options_.call_bytes_max)
    bytes = write_answer(failure{errc::over_limit, "the answer has too many bytes"});
  else if (call_bytes_ + bytes.size() > options_.call_queue_bytes_max)
    bytes = write_answer(failure{errc::over_limit, "too many answers are on their way"});
  queue({call, true, std::move(bytes), 0});
}

result<std::optional<peer_inbox::item>> peer_inbox::take(const peer_piece& piece) {
  item whole{piece.lane, piece.call, piece.is_answer, false, {}};
  if (piece.lane != peer_lane::call) {
    auto& frame = frames_[static_cast<std::size_t>(piece.lane)];
    if (frame.size() + piece.bytes.size() > options_.frame_bytes_max)
      return failure{errc::over_limit, "a frame of too many bytes"};
    frame.append(piece.bytes);
    if (!piece.is_last) return std::optional<item>{};
    whole.bytes = std::exchange(frame, {});
    return std::optional{std::move(whole)};
  }
  const std::pair key{piece.is_answer, piece.call};
  if (!calls_.contains(key) && calls_.size() >= 2 * options_.calls_max)
    return failure{errc::over_limit, "too many calls at once"};
  auto& part = calls_[key];
  call_bytes_ += piece.bytes.size();
  part.bytes.append(piece.bytes);
  if (part.bytes.size() > options_.call_bytes_max || call_bytes_ > options_.call_queue_bytes_max)
    part.too_large = true;
  if (part.too_large) {
    call_bytes_ -= part.bytes.size();
    part.bytes = {};
  }
  if (!piece.is_last) return std::optional<item>{};
  call_bytes_ -= part.bytes.size();
  whole.too_large = part.too_large;
  whole.bytes = std::move(part.bytes);
  calls_.erase(key);
  return std::optional{std::move(whole)};
}

std::optional<std::pair<std::string, std::string>> read_request(std::string_view bytes) {
  byte_reader in{bytes};
  std::string kind{in.text()};
  if (!in.ok()) return std::nullopt;
  return std::pair{std::move(kind), std::string{in.rest()}};
}

}  // namespace tally::cluster
