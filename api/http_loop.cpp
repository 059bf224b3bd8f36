#include "api/http_loop.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "api/http_connection.hpp"

namespace tally::api {

namespace {

thread_local http_loop* this_loop = nullptr;
thread_local std::size_t this_index = no_loop;

constexpr unsigned generation_shift = 32;

std::chrono::milliseconds tick_for(const http_options& o) {
  const auto shortest = std::min({o.header_timeout, o.body_timeout, o.body_grace, o.idle_timeout,
                                  o.write_timeout, o.linger_timeout, o.answer_timeout});
  return std::clamp(shortest / 8, std::chrono::milliseconds{10}, std::chrono::milliseconds{250});
}

}  // namespace

std::size_t current_loop() {
  return this_index;
}

bool executor_ref::post(std::function<void()> work) const {
  return box_ && box_->post(std::move(work));
}

std::size_t executor_ref::index() const {
  return box_ ? box_->index() : no_loop;
}

template <class Add>
bool http_mailbox::add(Add add_to) {
  const std::lock_guard lock{mutex_};
  if (loop_ == nullptr) return false;
  add_to(content_);
  if (!std::exchange(signalled_, true)) asio::post(loop_->context(), [l = loop_] { l->turn(); });
  return true;
}

bool http_mailbox::post(std::function<void()> work) {
  return add([&](content& c) { c.work.push_back(std::move(work)); });
}

void http_mailbox::deliver(http_completion&& completion) {
  // On its own thread the loop cannot end meanwhile, so no lock is needed.
  if (this_loop != nullptr && this_loop->mailbox_.get() == this)
    return this_loop->deliver(std::move(completion));
  add([&](content& c) { c.completions.push_back(std::move(completion)); });
}

void http_mailbox::close() {
  content dropped;  // destroyed after the lock: what it holds may own anything
  const std::lock_guard lock{mutex_};
  loop_ = nullptr;
  std::swap(dropped, content_);
}

http_mailbox::content http_mailbox::take() {
  const std::lock_guard lock{mutex_};
  signalled_ = false;
  return std::exchange(content_, {});
}

http_loop::http_loop(http_shared& shared, const http_rules& rules, std::size_t index)
    : shared_{shared},
      rules_{rules},
      mailbox_{std::make_shared<http_mailbox>(*this, index)},
      tick_interval_{tick_for(rules.options)},
      scratch_(scratch_bytes, '\0') {}

http_loop::~http_loop() {
  stop();
}

void http_loop::set_rules(const http_rules& rules) {
  rules_ = rules;
  tick_interval_ = tick_for(rules_.options);
}

void http_loop::start() {
  arm_tick();
  thread_ = std::thread{[this] { run(); }};
}

void http_loop::stop() {
  if (!thread_.joinable()) return;
  mailbox_->close();
  context_.stop();
  thread_.join();
  for (auto& p : places_)
    if (p.connection) p.connection->abandon();
  places_.clear();
}

void http_loop::run() {
  this_loop = this;
  this_index = mailbox_->index();
  const auto work = asio::make_work_guard(context_);
  context_.run();
  this_loop = nullptr;
  this_index = no_loop;
}

void http_loop::turn() {
  turn_posted_ = false;
  auto content = mailbox_->take();
  in_turn_ = true;
  for (auto& c : content.completions) deliver(std::move(c));
  for (auto& work : content.work) work();
  in_turn_ = false;
  flush_dirty();
}

void http_loop::flush_dirty() {
  // Writing may start the next request of a pipeline, which may mark connections again.
  // NOLINTNEXTLINE(modernize-loop-convert): the vector may grow meanwhile
  for (std::size_t i = 0; i < dirty_.size(); ++i)
    if (auto* connection = find(dirty_[i])) connection->pump();
  dirty_.clear();
}

void http_loop::mark_dirty(std::uint64_t connection) {
  dirty_.push_back(connection);
  if (in_turn_ || std::exchange(turn_posted_, true)) return;
  asio::post(context_, [this] { turn(); });
}

void http_loop::deliver(http_completion&& completion) {
  if (auto* connection = find(completion.connection))
    connection->complete(completion.sequence, std::move(completion.response));
}

http_connection* http_loop::find(std::uint64_t connection) {
  const auto index = static_cast<std::uint32_t>(connection);
  if (index >= places_.size()) return nullptr;
  const auto& p = places_[index];
  return p.generation == connection >> generation_shift ? p.connection.get() : nullptr;
}

void http_loop::adopt(int descriptor, http_peer peer) {
  if (free_places_.empty()) {
    free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const auto index = free_places_.back();
  auto& p = places_[index];
  const auto id = static_cast<std::uint64_t>(p.generation) << generation_shift | index;
  auto connection = http_connection::make(*this, descriptor, std::move(peer), id);
  if (!connection) return;
  free_places_.pop_back();
  p.connection = connection;
  connection->start();
}

void http_loop::remove(std::uint64_t connection) {
  if (find(connection) == nullptr) return;
  const auto index = static_cast<std::uint32_t>(connection);
  ++places_[index].generation;
  places_[index].connection.reset();
  free_places_.push_back(index);
}

void http_loop::host(std::shared_ptr<http_guest> guest) {
  if (guest) guests_.push_back(std::move(guest));
}

void http_loop::forget_guests() {
  std::erase_if(guests_, [](const auto& guest) { return guest->is_over(); });
}

void http_loop::drain_connections() {
  for (const auto& p : places_)
    if (const auto connection = p.connection) connection->drain();
  // By position: a guest may let another one in.
  // NOLINTNEXTLINE(modernize-loop-convert)
  for (std::size_t i = 0; i < guests_.size(); ++i) guests_[i]->drain();
  forget_guests();
}

void http_loop::arm_tick() {
  ticker_.expires_after(tick_interval_);
  ticker_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    tick();
    arm_tick();
  });
}

void http_loop::tick() {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& p : places_)
    if (const auto connection = p.connection) connection->check_time(now);
  // NOLINTNEXTLINE(modernize-loop-convert): the vector may grow meanwhile
  for (std::size_t i = 0; i < guests_.size(); ++i) guests_[i]->check_time(now);
  forget_guests();
}

const std::string& http_loop::date() {
  const auto now = std::time(nullptr);
  if (now == date_second_) return date_;
  date_second_ = now;
  static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm t{};
  gmtime_r(&now, &t);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                days.at(static_cast<std::size_t>(t.tm_wday)), t.tm_mday,
                months.at(static_cast<std::size_t>(t.tm_mon)), t.tm_year + 1900, t.tm_hour,
                t.tm_min, t.tm_sec);
  date_ = text.data();
  return date_;
}

}  // namespace tally::api
