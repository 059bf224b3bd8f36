#include "cluster/request_relay.hpp"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <thread>

#include "domain/bytes.hpp"

namespace tally::cluster {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::uint8_t relay_version = 1;

void write(byte_writer& out, const header_fields& fields) {
  out.varint(fields.size());
  for (const auto& [name, value] : fields) {
    out.text(name);
    out.text(value);
  }
}

std::string read_text(byte_reader& in) {
  return std::string{in.text()};
}

header_fields read_fields(byte_reader& in) {
  header_fields fields;
  const auto count = in.varint();
  if (count > in.rest().size() / 2) {
    in.fail();
    return fields;
  }
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    auto name = read_text(in);
    fields.emplace_back(std::move(name), read_text(in));
  }
  return fields;
}

/// What both forms begin and end with.
template <class Read>
auto decode(std::string_view bytes, Read read)
    -> result<decltype(read(std::declval<byte_reader&>()))> {
  byte_reader in{bytes};
  if (const auto version = in.u8(); in.ok() && version != relay_version)
    return failure{errc::unsupported, "a relayed request of version " + std::to_string(version)};
  auto value = read(in);
  if (!in.ok() || !in.at_end())
    return failure{errc::corrupt_record, "a relayed request is damaged or cut off"};
  return value;
}

}  // namespace

std::string encode(const relayed_request& request) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(relay_version);
  out.text(request.method);
  out.text(request.path);
  out.text(request.query);
  write(out, request.headers);
  out.text(request.body);
  out.text(request.client_address);
  out.text(request.request_id);
  return bytes;
}

std::string encode(const relayed_answer& answer) {
  std::string bytes;
  byte_writer out{bytes};
  out.u8(relay_version);
  out.varint(answer.status);
  out.text(answer.content_type);
  write(out, answer.headers);
  out.text(answer.body);
  out.u8(answer.is_problem ? 1 : 0);
  return bytes;
}

result<relayed_request> decode_relayed_request(std::string_view bytes) {
  return decode(bytes, [](byte_reader& in) {
    relayed_request r;
    r.method = read_text(in);
    r.path = read_text(in);
    r.query = read_text(in);
    r.headers = read_fields(in);
    r.body = read_text(in);
    r.client_address = read_text(in);
    r.request_id = read_text(in);
    return r;
  });
}

result<relayed_answer> decode_relayed_answer(std::string_view bytes) {
  return decode(bytes, [](byte_reader& in) {
    relayed_answer a;
    const auto status = in.varint();
    if (status < 100 || status > 599) in.fail();
    a.status = static_cast<unsigned>(status);
    a.content_type = read_text(in);
    a.headers = read_fields(in);
    a.body = read_text(in);
    const auto is_problem = in.u8();
    if (is_problem > 1) in.fail();
    a.is_problem = is_problem == 1;
    return a;
  });
}

/// Shared with what is asked, which may be told after the relay has ended.
struct request_relay::impl : std::enable_shared_from_this<impl> {
  struct attempt {
    std::string merchant, bytes;
    std::function<void(outcome)> then;
    clock::time_point deadline;
    std::chrono::milliseconds pause{0};
  };
  using attempt_ptr = std::shared_ptr<attempt>;

  void run(const attempt_ptr& work);
  void take(const attempt_ptr& work, node_id by, const result<std::string>& answer);
  void again(const attempt_ptr& work, const std::string& why);
  void wait();

  ways to;
  relay_options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::multimap<clock::time_point, attempt_ptr> pausing;
  bool is_ended = false;
  std::thread thread;
};

void request_relay::impl::run(const attempt_ptr& work) {
  const auto leader = to.leader_elsewhere(work->merchant);
  if (!leader) return work->then(std::optional<answered>{});
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(work->deadline - clock::now());
  if (left.count() <= 0)
    return work->then(failure{errc::unavailable, "the merchant's shard has not answered in time"});
  to.ask(*leader, std::string{relay_kind}, work->bytes, left,
         [self = shared_from_this(), work, by = *leader](const result<std::string>& answer) {
           self->take(work, by, answer);
         });
}

void request_relay::impl::take(const attempt_ptr& work, node_id by,
                               const result<std::string>& answer) {
  if (!answer) {
    if (answer.error().code == errc::unavailable) return again(work, answer.error().detail);
    return work->then(answer.error());
  }
  auto read = decode_relayed_answer(*answer);
  if (!read) return work->then(read.error());
  if (read->status == relay_moved_status) return again(work, "the merchant's shard is moving");
  work->then(std::optional{answered{std::move(*read), by}});
}

void request_relay::impl::again(const attempt_ptr& work, const std::string& why) {
  work->pause = std::clamp(2 * work->pause, options.pause_min, options.pause_max);
  const auto when = clock::now() + work->pause;
  if (when < work->deadline) {
    const std::lock_guard lock{mutex};
    if (!is_ended && pausing.size() < options.waiting_max) {
      pausing.emplace(when, work);
      changed.notify_one();
      return;
    }
  }
  work->then(failure{errc::unavailable, why});
}

void request_relay::impl::wait() {
  std::unique_lock lock{mutex};
  while (!is_ended) {
    if (pausing.empty()) {
      changed.wait(lock);
      continue;
    }
    const auto first = pausing.begin();
    if (const auto when = first->first; when > clock::now()) {
      changed.wait_until(lock, when);
      continue;
    }
    const auto work = first->second;
    pausing.erase(first);
    lock.unlock();
    run(work);
    lock.lock();
  }
}

request_relay::request_relay(ways to, const relay_options& options)
    : impl_{std::make_shared<impl>()} {
  impl_->to = std::move(to);
  impl_->options = options;
  impl_->thread = std::thread{[i = impl_] { i->wait(); }};
}

request_relay::~request_relay() {
  std::multimap<clock::time_point, impl::attempt_ptr> left;
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->is_ended = true;
    left.swap(impl_->pausing);
    impl_->changed.notify_one();
  }
  // What it tells may hold the last reference to the relay itself.
  if (impl_->thread.get_id() == std::this_thread::get_id())
    impl_->thread.detach();
  else
    impl_->thread.join();
  for (auto& [when, work] : left) work->then(failure{errc::unavailable, "this node is stopping"});
}

bool request_relay::is_elsewhere(std::string_view merchant) const {
  return impl_->to.leader_elsewhere(merchant).has_value();
}

void request_relay::send(std::string merchant, const relayed_request& request,
                         std::function<void(outcome)> then) {
  auto work = std::make_shared<impl::attempt>();
  work->merchant = std::move(merchant);
  work->bytes = encode(request);
  work->then = std::move(then);
  work->deadline = clock::now() + impl_->options.patience;
  impl_->run(work);
}

}  // namespace tally::cluster
