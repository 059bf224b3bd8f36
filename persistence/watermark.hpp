#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"
#include "persistence/chunk.hpp"

namespace rocksdb {
class Env;
}

namespace tally::persistence {

/// How far the journal was known to be on disk: what a truncated or deleted WAL cannot take along,
/// since it lies outside of the database.
struct watermark {
  std::uint64_t round = 0;   // last synced commit round
  std::uint64_t digest = 0;  // chain_digest of that round, 0 for round 0
  bool clean = false;        // written by close(): nothing came after it
  bool operator==(const watermark&) const = default;
};

/// xxh3_64 over the chain values of a round's chunks, in order, big endian.
[[nodiscard]] std::uint64_t chain_digest(const std::vector<chunk_ptr>& chunks);
[[nodiscard]] std::uint64_t chain_digest(const std::vector<round_entry>& entries);

/// The file `WATERMARK`: two slots of 4 KiB, written in turn, so that a torn write leaves the one
/// before it. A slot, integers big endian:
///   0 "TALLYWM1"   8 version u32 = 1   12 sequence u64   20 round u64   28 digest u64
///   36 clean u8   37 zeros   4092 crc32c of all the above
/// Belongs to one thread at a time.
class watermark_file {
 public:
  /// Makes `<directory>/WATERMARK` with `first` in both slots; replaces one that is there.
  static status create(rocksdb::Env& env, const std::string& directory, const watermark& first);
  /// Reads the newer valid slot. not_found; corrupt_record where neither slot is valid;
  /// unsupported where the newer one has another version.
  static result<std::unique_ptr<watermark_file>> open(rocksdb::Env& env,
                                                      const std::string& directory);

  [[nodiscard]] const watermark& newest() const { return newest_; }
  /// On disk when it returns.
  status write(const watermark& w);

 private:
  watermark_file(rocksdb::Env& env, std::string path) : env_{&env}, path_{std::move(path)} {}

  rocksdb::Env* env_;
  std::string path_;
  watermark newest_;
  std::uint64_t sequence_ = 0;
};

}  // namespace tally::persistence
