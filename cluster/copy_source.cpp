#include "cluster/copy_source.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "cluster/registry_sync.hpp"
#include "domain/bytes.hpp"
#include "domain/shard.hpp"
#include "persistence/crc32c.hpp"

namespace tally::cluster {

using std::chrono::steady_clock;

struct copy_source::session {
  std::mutex mutex;  // one read at a time
  std::optional<persistence::shard_picture> picture;
  // What follows the picture must still be in the log when the copy is there.
  actors::log_pins::pin log;
  std::atomic<bool> is_read{false};  // to its end
  std::atomic<steady_clock::time_point> used{steady_clock::now()};
};

copy_source::copy_source(actors::node_env_ptr env, const replicator_options& options,
                         position_finder find_position)
    : env_{std::move(env)},
      sessions_max_{options.copies_sent_max},
      page_bytes_{options.copy_page_bytes},
      idle_max_{options.copy_idle_max},
      find_position_{std::move(find_position)} {}

void copy_source::end() {
  const std::scoped_lock hold{mutex_};
  has_ended_ = true;
  sessions_.clear();
}

void copy_source::forget_idle() {
  const auto until = steady_clock::now() - idle_max_;
  const std::scoped_lock hold{mutex_};
  std::erase_if(sessions_, [&](const auto& s) { return s.second->used.load() < until; });
}

copy_source::session_ptr copy_source::add(std::uint16_t shard, std::uint64_t& number) {
  const std::scoped_lock hold{mutex_};
  const auto reading =
      std::ranges::count_if(sessions_, [](const auto& s) { return !s.second->is_read.load(); });
  if (has_ended_ || reading >= static_cast<std::ptrdiff_t>(sessions_max_)) return nullptr;
  number = ++begun_;
  auto made = std::make_shared<session>();
  sessions_[number] = made;
  spdlog::debug("copy_begins shard={} session={}", shard, number);
  return made;
}

void copy_source::remove(std::uint64_t number) {
  const std::scoped_lock hold{mutex_};
  sessions_.erase(number);
}

void copy_source::begin(std::uint16_t shard, answerer reply) {
  std::uint64_t number = 0;
  const auto made = add(shard, number);
  if (!made) return reply(failure{errc::unavailable, "as many copies as allowed are being read"});
  env_->run_io([this, shard, number, made, reply = std::move(reply)] {
    // First the pin, then the picture: what is sealed meanwhile stays in the log too.
    made->log = env_->reads.hold(env_->history->sealed_round() + 1);
    auto picture = persistence::shard_picture::take(*env_->journal, *env_->state, *env_->history,
                                                    shard, is_platforms(shard));
    const bool is_counted = env_->saved_before >= env_->sealed_before;
    if (!picture || !is_counted) {
      remove(number);
      return reply(picture ? failure{errc::unavailable, "merchants are being counted again here"}
                           : picture.error());
    }
    const auto sealed = picture->sealed();
    made->picture = std::move(*picture);
    find_position_(shard, sealed, [this, number, reply](const result<log_position>& at) {
      if (!at) {
        remove(number);
        return reply(at.error());
      }
      std::string answer;
      byte_writer to{answer};
      to.u64be(number);
      to.u64be(at->offset);
      to.u32be(at->epoch);
      to.u64be(at->chain);
      to.i64be(to_ms(at->stamped_at));
      reply(std::move(answer));
    });
  });
}

void copy_source::read(std::uint64_t number, persistence::copy_cursor at, answerer reply) {
  session_ptr from;
  {
    const std::scoped_lock hold{mutex_};
    const auto found = sessions_.find(number);
    if (found != sessions_.end()) from = found->second;
  }
  if (!from) return reply(failure{errc::not_found, "this copy was begun too long ago"});
  from->used = steady_clock::now();
  env_->run_io([from, at = std::move(at), bytes = page_bytes_, reply = std::move(reply)]() mutable {
    const std::scoped_lock hold{from->mutex};
    if (!from->picture) return reply(failure{errc::not_found, "this copy was read"});
    std::string page;
    if (auto read = from->picture->read(at, bytes, page); !read) return reply(read.error());
    if (at.part == persistence::copy_part::end) {
      from->picture.reset();
      from->is_read = true;
    }
    std::string answer;
    byte_writer to{answer};
    to.u8(static_cast<std::uint8_t>(at.part));
    to.text(at.after);
    to.u32be(persistence::crc32c(page));
    to.text(page);
    reply(std::move(answer));
  });
}

void copy_source::answer(std::string_view body, answerer reply) {
  byte_reader in{body};
  const auto version = in.u8();
  const auto wish = static_cast<copy_wish>(in.u8());
  if (in.ok() && version != copy_version)
    return reply(failure{errc::unsupported, "copy: unknown version"});
  if (wish == copy_wish::begin) {
    const auto shard = in.u16be();
    if (in.ok() && in.at_end() && shard < shard_count) return begin(shard, std::move(reply));
  } else if (wish == copy_wish::read) {
    const auto number = in.u64be();
    persistence::copy_cursor at;
    at.part = static_cast<persistence::copy_part>(in.u8());
    at.after = in.text();
    if (in.ok() && in.at_end() && at.part < persistence::copy_part::end)
      return read(number, std::move(at), std::move(reply));
  } else if (wish == copy_wish::end) {
    const auto number = in.u64be();
    if (in.ok() && in.at_end()) {
      remove(number);
      return reply(std::string{});
    }
  }
  reply(failure{errc::corrupt_record, "copy: torn request"});
}

}  // namespace tally::cluster
