#include "persistence/watermark.hpp"

#include <rocksdb/env.h>
#include <xxhash.h>

#include <limits>
#include <optional>

#include "domain/bytes.hpp"
#include "persistence/rocks.hpp"

namespace tally::persistence {

namespace {

constexpr std::string_view magic = "TALLYWM1";
constexpr std::uint32_t format_version = 1;
constexpr std::size_t slot_bytes = 4096;

struct slot {
  std::uint32_t version = 0;
  std::uint64_t sequence = 0;
  watermark content;
};

std::string encode_slot(std::uint64_t sequence, const watermark& w) {
  std::string out;
  byte_writer to{out};
  to.raw(magic);
  to.u32be(format_version);
  to.u64be(sequence);
  to.u64be(w.round);
  to.u64be(w.digest);
  to.u8(w.clean ? 1 : 0);
  out.resize(slot_bytes - 4);
  return rocks::with_crc(out);
}

std::optional<slot> decode_slot(std::string_view bytes) {
  const auto content = rocks::without_crc(bytes);
  if (!content || !content->starts_with(magic)) return std::nullopt;
  byte_reader in{content->substr(magic.size())};
  slot s;
  s.version = in.u32be();
  s.sequence = in.u64be();
  s.content.round = in.u64be();
  s.content.digest = in.u64be();
  s.content.clean = in.u8() != 0;
  // The last number has none behind it, and no counting reaches it: it was not written here.
  const bool good = in.ok() && s.sequence != std::numeric_limits<std::uint64_t>::max();
  return good ? std::optional{s} : std::nullopt;
}

std::string path_in(const std::string& directory) {
  return directory + "/WATERMARK";
}

template <class Chains>
std::uint64_t digest_of(const Chains& chains) {
  std::string bytes;
  byte_writer out{bytes};
  for (const auto chain : chains) out.u64be(chain);
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace

std::uint64_t chain_digest(const std::vector<chunk_ptr>& chunks) {
  std::vector<std::uint64_t> chains;
  chains.reserve(chunks.size());
  for (const auto& c : chunks) chains.push_back(c->header.chain);
  return digest_of(chains);
}

std::uint64_t chain_digest(const std::vector<round_entry>& entries) {
  std::vector<std::uint64_t> chains;
  chains.reserve(entries.size());
  for (const auto& e : entries) chains.push_back(e.header.chain);
  return digest_of(chains);
}

status watermark_file::create(rocksdb::Env& env, const std::string& directory,
                              const watermark& first) {
  const auto path = path_in(directory), fresh = path + ".new";
  const auto bytes = encode_slot(0, first) + encode_slot(1, first);
  // Complete under another name first: a crash must not leave half a file that looks damaged.
  if (auto s = rocksdb::WriteStringToFile(&env, bytes, fresh, true); !s.ok())
    return rocks::to_failure(s, fresh);
  if (auto s = env.RenameFile(fresh, path); !s.ok()) return rocks::to_failure(s, path);
  return rocks::sync_directory(env, directory);
}

result<std::unique_ptr<watermark_file>> watermark_file::open(rocksdb::Env& env,
                                                             const std::string& directory) {
  const auto path = path_in(directory);
  if (env.FileExists(path).IsNotFound()) return failure{errc::not_found, path};
  std::string bytes;
  if (auto s = rocksdb::ReadFileToString(&env, path, &bytes); !s.ok())
    return rocks::to_failure(s, path);
  std::optional<slot> newest;
  for (std::size_t at = 0; at < 2 * slot_bytes; at += slot_bytes) {
    if (bytes.size() < at + slot_bytes) break;
    const auto s = decode_slot(std::string_view{bytes}.substr(at, slot_bytes));
    if (s && (!newest || s->sequence > newest->sequence)) newest = s;
  }
  if (!newest) return failure{errc::corrupt_record, path + ": neither slot has a valid checksum"};
  if (newest->version != format_version)
    return failure{errc::unsupported, path + ": version " + std::to_string(newest->version)};
  std::unique_ptr<watermark_file> file{new watermark_file{env, path}};
  file->newest_ = newest->content;
  file->sequence_ = newest->sequence;
  return file;
}

status watermark_file::write(const watermark& w) {
  const auto sequence = sequence_ + 1;
  std::unique_ptr<rocksdb::RandomRWFile> file;
  if (auto s = env_->NewRandomRWFile(path_, &file, {}); !s.ok()) return rocks::to_failure(s, path_);
  auto s = file->Write((sequence % 2) * slot_bytes, encode_slot(sequence, w));
  if (s.ok()) s = file->Sync();
  if (s.ok()) s = file->Close();
  if (!s.ok()) return rocks::to_failure(s, path_);
  sequence_ = sequence;
  newest_ = w;
  return done{};
}

}  // namespace tally::persistence
