#include "persistence/shard_copy.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "domain/bytes.hpp"
#include "persistence/crc32c.hpp"

namespace tally::persistence {
namespace {

constexpr std::size_t head_bytes = 8;
constexpr std::size_t page_bytes_max = 256u << 20;  // an entry is a column of a block at most
constexpr std::array<std::string_view, 4> platform_prefixes{"ruleset/", "key/", "audit/", "rate_"};

std::string prefix_of(std::uint16_t shard) {
  std::string prefix;
  byte_writer{prefix}.u16be(shard);
  return prefix;
}

/// All that the journal has of a shard's merchants, in the order of the keys.
result<std::map<std::string, std::string>> merchants_of(const journal& log, std::uint16_t shard) {
  const auto found = log.list_merchants(prefix_of(shard), {}, std::string::npos);
  if (!found) return found.error();
  std::map<std::string, std::string> records;
  for (const auto& r : *found) records[r.key] = r.value;
  return records;
}

result<std::map<std::string, std::string>> platform_of(const journal& log) {
  std::map<std::string, std::string> records;
  for (const auto prefix : platform_prefixes) {
    const auto found = log.list_meta(prefix);
    if (!found) return found.error();
    for (const auto& r : *found) records[r.key] = r.value;
  }
  return records;
}

std::vector<record> listed(const std::map<std::string, std::string>& records) {
  std::vector<record> all;
  all.reserve(records.size());
  for (const auto& [key, value] : records) all.push_back({key, value});
  return all;
}

/// Reads a copy's entries one after another.
class copy_reader {
 public:
  explicit copy_reader(const std::string& path)
      : path_{path}, file_{path, std::ios::binary}, rest_{std::string_view{}} {}

  /// False at the end.
  result<bool> next(copy_part& part, std::string& key, std::string& value) {
    if (rest_.at_end()) {
      auto more = next_page();
      if (!more || !*more) return more;
    }
    part = static_cast<copy_part>(rest_.u8());
    key = rest_.text();
    value = rest_.text();
    if (!rest_.ok() || part < copy_part::blocks || part >= copy_part::end) return damaged();
    return true;
  }
  /// The next entry of one of some parts; others are passed over.
  result<bool> next_of(copy_part from, copy_part to, copy_part& part, std::string& key,
                       std::string& value) {
    for (;;) {
      auto more = next(part, key, value);
      if (!more || !*more || (part >= from && part <= to)) return more;
    }
  }

 private:
  [[nodiscard]] failure damaged() const { return {errc::corrupt_record, path_ + ": damaged"}; }
  result<bool> next_page() {
    std::string head(head_bytes, '\0');
    if (!file_.is_open()) return failure{errc::io_error, path_ + ": cannot be read"};
    file_.read(head.data(), head_bytes);
    if (file_.gcount() == 0 && file_.eof()) return false;
    byte_reader in{head};
    const auto size = in.u32be();
    const auto crc = in.u32be();
    if (file_.gcount() != head_bytes || size == 0 || size > page_bytes_max) return damaged();
    page_.resize(size);
    file_.read(page_.data(), size);
    if (file_.gcount() != static_cast<std::streamsize>(size) || crc32c(page_) != crc)
      return damaged();
    rest_ = byte_reader{page_};
    return true;
  }

  std::string path_;
  std::ifstream file_;
  std::string page_;
  byte_reader rest_;
};

raw_source part_of(copy_reader& from, copy_part wanted) {
  return [&from, wanted](std::string& key, std::string& value) {
    copy_part part{};
    return from.next_of(wanted, wanted, part, key, value);
  };
}

result<bool> nothing(std::string&, std::string&) {
  return false;
}

/// What is to be written so that `now` becomes `then`.
std::vector<record> changes(const std::map<std::string, std::string>& now,
                            const std::map<std::string, std::string>& then) {
  std::vector<record> changed;
  for (const auto& [key, value] : now)
    if (!then.contains(key)) changed.push_back({key, {}});
  for (const auto& [key, value] : then)
    if (const auto found = now.find(key); found == now.end() || found->second != value)
      changed.push_back({key, value});
  return changed;
}

}  // namespace

bool is_platform_key(std::string_view key) {
  return std::ranges::any_of(platform_prefixes,
                             [&](std::string_view prefix) { return key.starts_with(prefix); });
}

result<shard_picture> shard_picture::take(const journal& log, const state_store& state,
                                          const history& past, std::uint16_t shard,
                                          bool with_platform) {
  shard_picture made{state, past, shard};
  // The state comes after: all that is sealed is saved before.
  made.past_at_ = past.look();
  made.state_at_ = state.look();
  auto registry = list_registry(log, shard, with_platform);
  if (!registry) return registry.error();
  made.merchants_ = std::move(registry->merchants);
  made.platform_ = std::move(registry->platform);
  return made;
}

status shard_picture::scan(const copy_cursor& at, const visitor& f) const {
  const auto give = [&](const std::vector<record>& records) {
    for (const auto& r : records)
      if (r.key > at.after && !f(r.key, r.value)) break;
    return status{done{}};
  };
  switch (at.part) {
    case copy_part::blocks:
      return past_->scan_raw(shard_, history_part::blocks, at.after, f, past_at_);
    case copy_part::columns:
      return past_->scan_raw(shard_, history_part::columns, at.after, f, past_at_);
    case copy_part::totals:
      return state_->scan_raw(shard_, state_part::totals, at.after, f, state_at_);
    case copy_part::snapshot:
      return state_->scan_raw(shard_, state_part::snapshot, at.after, f, state_at_);
    case copy_part::ids:
      return state_->scan_raw(shard_, state_part::ids, at.after, f, state_at_);
    case copy_part::rejects:
      return state_->scan_raw(shard_, state_part::rejects, at.after, f, state_at_);
    case copy_part::merchants:
      return give(merchants_);
    case copy_part::platform:
      return give(platform_);
    case copy_part::end:
      break;
  }
  return done{};
}

status shard_picture::read(copy_cursor& at, std::size_t bytes, std::string& page) const {
  byte_writer out{page};
  const auto full = page.size() + bytes;
  while (at.part != copy_part::end && page.size() < full) {
    bool is_full = false;
    auto scanned = scan(copy_cursor{at}, [&](std::string_view key, std::string_view value) {
      out.u8(static_cast<std::uint8_t>(at.part));
      out.text(key);
      out.text(value);
      at.after = key;
      is_full = page.size() >= full;
      return !is_full;
    });
    if (!scanned) return scanned;
    if (is_full) break;
    at = {static_cast<copy_part>(static_cast<std::uint8_t>(at.part) + 1), {}};
  }
  return done{};
}

result<copy_file> copy_file::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return failure{errc::io_error, path + ": " + std::strerror(errno)};
  return copy_file{path, file};
}

copy_file::copy_file(copy_file&& other) noexcept
    : path_{std::move(other.path_)}, descriptor_{std::exchange(other.descriptor_, -1)} {}

copy_file::~copy_file() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

status copy_file::add(std::string_view page) {
  std::string head;
  byte_writer to{head};
  to.u32be(static_cast<std::uint32_t>(page.size()));
  to.u32be(crc32c(page));
  for (auto rest : {std::string_view{head}, page})
    while (!rest.empty()) {
      const auto written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0)
        return failure{errno == ENOSPC ? errc::disk_full : errc::io_error,
                       path_ + ": " + std::strerror(errno)};
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  return done{};
}

status install_history(history& past, std::uint16_t shard, const std::string& path) {
  auto writer = history_writer::begin(past);
  if (!writer) return writer.error();
  // Read twice: each source passes over what is not its own.
  copy_reader blocks{path}, columns{path};
  if (auto put = (*writer)->replace_shard(shard, part_of(blocks, copy_part::blocks),
                                          part_of(columns, copy_part::columns));
      !put)
    return put;
  return (*writer)->commit(0);
}

status install_state(state_store& state, std::uint16_t shard, const std::string& path) {
  copy_reader from{path};
  return state.replace_shard(shard, [&](state_part& into, std::string& key, std::string& value) {
    copy_part part{};
    auto more = from.next_of(copy_part::totals, copy_part::rejects, part, key, value);
    if (more && *more)
      into = static_cast<state_part>(static_cast<int>(part) - static_cast<int>(copy_part::totals));
    return more;
  });
}

result<copied_registry> list_registry(const journal& log, std::uint16_t shard, bool with_platform) {
  const auto merchants = merchants_of(log, shard);
  if (!merchants) return merchants.error();
  copied_registry made{listed(*merchants), {}};
  if (!with_platform) return made;
  const auto platform = platform_of(log);
  if (!platform) return platform.error();
  made.platform = listed(*platform);
  return made;
}

result<copied_registry> changes_to(const journal& log, std::uint16_t shard, bool with_platform,
                                   const copied_registry& wanted) {
  const auto as_map = [](const std::vector<record>& records) {
    std::map<std::string, std::string> all;
    for (const auto& r : records) all[r.key] = r.value;
    return all;
  };
  const auto known = list_registry(log, shard, with_platform);
  if (!known) return known.error();
  return copied_registry{changes(as_map(known->merchants), as_map(wanted.merchants)),
                         changes(as_map(known->platform), as_map(wanted.platform))};
}

result<copied_registry> read_registry(const journal& log, std::uint16_t shard, bool with_platform,
                                      const std::string& path) {
  copied_registry wanted;
  copy_reader from{path};
  copy_part part{};
  std::string key, value;
  for (;;) {
    const auto more = from.next_of(copy_part::merchants, copy_part::platform, part, key, value);
    if (!more) return more.error();
    if (!*more) break;
    (part == copy_part::merchants ? wanted.merchants : wanted.platform).push_back({key, value});
  }
  return changes_to(log, shard, with_platform, wanted);
}

status forget_shard(history& past, state_store& state, std::uint16_t shard) {
  auto writer = history_writer::begin(past);
  if (!writer) return writer.error();
  if (auto put = (*writer)->replace_shard(shard, nothing, nothing); !put) return put;
  if (auto committed = (*writer)->commit(0); !committed) return committed;
  return state.replace_shard(
      shard, [](state_part&, std::string&, std::string&) -> result<bool> { return false; });
}

}  // namespace tally::persistence
