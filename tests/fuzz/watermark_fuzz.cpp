#include <memory>
#include <string>

#include "domain/ensure.hpp"
#include "persistence/crc32c.hpp"
#include "persistence/rocks.hpp"
#include "persistence/watermark.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace tally;
using namespace tally::persistence;

namespace {

constexpr std::size_t slot_bytes = 4'096;

/// Two slots with the bytes in front of each, checksums right where `right`.
std::string file_of(std::string_view a, std::string_view b, bool right) {
  std::string file;
  for (auto bytes : {a, b}) {
    std::string slot{bytes.substr(0, slot_bytes - 4)};
    slot.resize(slot_bytes - 4);
    file += right ? rocks::with_crc(slot) : slot + std::string(4, '\0');
  }
  return file;
}

void try_file(rocksdb::Env& env, const std::string& bytes) {
  ensure(rocksdb::WriteStringToFile(&env, bytes, "/w/WATERMARK").ok(), "memory cannot be written");
  auto file = watermark_file::open(env, "/w");
  if (!file) return;
  auto next = (*file)->newest();
  ++next.round;
  ensure((*file)->write(next).ok(), "memory cannot be written");
  const auto again = watermark_file::open(env, "/w");
  ensure(again && (*again)->newest() == next, "a watermark that was written is not the newest");
}

}  // namespace

// The first byte: 1 for right checksums, 2 for a file that ends early; then the two slots.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<rocksdb::Env> env{rocksdb::NewMemEnv(rocksdb::Env::Default())};
  if (size == 0) return 0;
  const auto bytes = testing::as_bytes(data + 1, size - 1);
  auto file = file_of(bytes.substr(0, bytes.size() / 2), bytes.substr(bytes.size() / 2),
                      (data[0] & 1) != 0);
  if ((data[0] & 2) != 0) file.resize(file.size() * data[0] / 256);
  try_file(*env, file);
  return 0;
}
