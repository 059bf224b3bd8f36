#include "domain/unique_set.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <string>
#include <utility>

namespace tally {
namespace {

constexpr std::size_t exact_max = 512;
constexpr std::size_t exact_capacity_min = 4;
constexpr std::size_t sparse_max = 3'072;
constexpr std::size_t sparse_capacity_min = 1'024;
constexpr std::uint64_t sparse_tag = 513, dense_tag = 514;
// A set this small is merged hash by hash, which needs no memory.
constexpr std::size_t small_max = 8;

constexpr unsigned hash_bits = 64, rank_bits = 6;
constexpr unsigned sparse_bits = 25, dense_bits = 14, lost_bits = sparse_bits - dense_bits;
constexpr std::uint32_t sparse_rank_max = hash_bits - sparse_bits + 1;
constexpr std::uint32_t dense_rank_max = hash_bits - dense_bits + 1;
constexpr std::size_t register_count = std::size_t{1} << dense_bits;
constexpr std::size_t packed_bytes = register_count / 4 * 3;

constexpr std::uint32_t index_of(std::uint32_t entry) {
  return entry >> rank_bits;
}
constexpr std::uint32_t rank_of(std::uint32_t entry) {
  return entry & ((1U << rank_bits) - 1);
}

std::uint32_t entry_of(std::uint64_t hash) {
  const auto index = static_cast<std::uint32_t>(hash >> (hash_bits - sparse_bits));
  const auto zeros = static_cast<std::uint32_t>(std::countl_zero(hash << sparse_bits));
  return index << rank_bits | std::min(zeros + 1, sparse_rank_max);
}

// Place of the first value that is not less. Multiplying by the comparison keeps the compiler from
// branching on it, which hashes would mispredict every second time.
template <class T>
std::size_t first_not_less(const T* sorted, std::size_t size, T value) {
  if (size == 0) return 0;
  const auto* from = sorted;
  while (size > 1) {
    const auto half = size / 2;
    from += half * static_cast<std::size_t>(from[half - 1] < value);
    size -= half;
  }
  return static_cast<std::size_t>(from - sorted) + static_cast<std::size_t>(*from < value);
}

// What the 25-bit entry says about its 14-bit register.
std::uint8_t dense_rank(std::uint32_t entry) {
  const auto lost = index_of(entry) & ((1U << lost_bits) - 1);
  if (lost == 0) return static_cast<std::uint8_t>(lost_bits + rank_of(entry));
  return static_cast<std::uint8_t>(lost_bits - static_cast<unsigned>(std::bit_width(lost)) + 1);
}

// Number of 25-bit indexes that a register of this rank can stand for.
std::size_t indexes_behind(std::uint8_t rank) {
  return (std::size_t{1} << lost_bits) - ((std::size_t{1} << lost_bits) >> rank);
}

// Keeps the highest rank of each index; entries of an index are neighbours, its highest rank last.
void keep_highest(std::vector<std::uint32_t>& sorted) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const bool last = i + 1 == sorted.size() || index_of(sorted[i]) != index_of(sorted[i + 1]);
    if (last) sorted[kept++] = sorted[i];
  }
  sorted.resize(kept);
}

std::string packed(const std::uint8_t* registers) {
  std::string bytes(packed_bytes, '\0');
  auto* to = bytes.data();
  for (const auto* r = registers; r != registers + register_count; r += 4) {
    *to++ = static_cast<char>(r[0] << 2 | r[1] >> 4);
    *to++ = static_cast<char>(r[1] << 4 | r[2] >> 2);
    *to++ = static_cast<char>(r[2] << 6 | r[3]);
  }
  return bytes;
}

double sigma(double x) {
  if (x == 1.0) return HUGE_VAL;
  double y = 1, z = x, before = 0;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double tau(double x) {
  if (x == 0.0 || x == 1.0) return 0;
  double y = 1, z = 1 - x, before = 0;
  do {
    x = std::sqrt(x);
    before = z;
    y /= 2;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

double dense_estimate(const std::uint8_t* registers) {
  std::array<std::uint32_t, dense_rank_max + 1> of_rank{};
  for (std::size_t i = 0; i < register_count; ++i) ++of_rank[registers[i]];
  constexpr auto m = static_cast<double>(register_count);
  double z = m * tau(1 - of_rank[dense_rank_max] / m);
  for (std::size_t rank = dense_rank_max - 1; rank >= 1; --rank) z = (z + of_rank[rank]) / 2;
  z += m * sigma(of_rank[0] / m);
  return m * m / (2 * std::log(2.0)) / z;
}

double sparse_estimate(std::size_t indexes) {
  constexpr auto m = static_cast<double>(std::size_t{1} << sparse_bits);
  return -m * std::log1p(-static_cast<double>(indexes) / m);
}

}  // namespace

unique_set::unique_set(const unique_set& other) {
  if (other.form_ == form::one) {
    content_ = other.content_;
  } else {
    take_block(other.form_, other.capacity());
    std::memcpy(content_.block, other.content_.block, other.used_bytes());
  }
  size_ = other.size_;
  tail_ = other.tail_;
}

unique_set::unique_set(unique_set&& other) noexcept
    : content_{std::exchange(other.content_, content{0})},
      size_{std::exchange(other.size_, 0)},
      tail_{std::exchange(other.tail_, std::uint16_t{0})},
      form_{std::exchange(other.form_, form::one)},
      capacity_log2_{std::exchange(other.capacity_log2_, std::uint8_t{0})} {}

unique_set& unique_set::operator=(unique_set other) noexcept {
  std::swap(content_, other.content_);
  std::swap(size_, other.size_);
  std::swap(tail_, other.tail_);
  std::swap(form_, other.form_);
  std::swap(capacity_log2_, other.capacity_log2_);
  return *this;
}

unique_set::~unique_set() {
  drop_block();
}

std::span<const std::uint64_t> unique_set::hashes() const {
  if (form_ == form::one) return {&content_.hash, size_};
  return {static_cast<const std::uint64_t*>(content_.block), size_};
}

std::size_t unique_set::heap_bytes() const {
  switch (form_) {
    case form::one:
      return 0;
    case form::exact:
      return capacity() * sizeof(std::uint64_t);
    case form::sparse:
      return capacity() * sizeof(std::uint32_t);
    case form::dense:
      return capacity();
  }
  return 0;
}

std::size_t unique_set::used_bytes() const {
  switch (form_) {
    case form::one:
      return 0;
    case form::exact:
      return size_ * sizeof(std::uint64_t);
    case form::sparse:
      return (std::size_t{size_} + tail_) * sizeof(std::uint32_t);
    case form::dense:
      return register_count;
  }
  return 0;
}

void unique_set::take_block(form f, std::size_t capacity) {
  form_ = f;
  capacity_log2_ = static_cast<std::uint8_t>(std::countr_zero(capacity));
  size_ = 0;
  tail_ = 0;
  content_.block = ::operator new(heap_bytes());
}

void unique_set::drop_block() {
  if (form_ != form::one) ::operator delete(content_.block);
  content_ = {0};
  size_ = 0;
  tail_ = 0;
  form_ = form::one;
  capacity_log2_ = 0;
}

void unique_set::assign_hashes(const std::vector<std::uint64_t>& sorted) {
  drop_block();
  if (sorted.size() <= 1) {
    content_.hash = sorted.empty() ? 0 : sorted.front();
  } else {
    take_block(form::exact, std::bit_ceil(std::max(sorted.size(), exact_capacity_min)));
    std::copy(sorted.begin(), sorted.end(), static_cast<std::uint64_t*>(content_.block));
  }
  size_ = static_cast<std::uint32_t>(sorted.size());
}

// Leaves a quarter of the block free for a tail, so that sorting it in is rare.
void unique_set::assign_entries(const std::vector<std::uint32_t>& sorted) {
  drop_block();
  if (sorted.size() > sparse_max) {
    take_block(form::dense, register_count);
    std::memset(content_.block, 0, register_count);
    raise_registers(sorted);
    return;
  }
  auto capacity = sparse_capacity_min;
  while (sorted.size() > capacity / 4 * 3) capacity *= 2;
  take_block(form::sparse, capacity);
  std::copy(sorted.begin(), sorted.end(), static_cast<std::uint32_t*>(content_.block));
  size_ = static_cast<std::uint32_t>(sorted.size());
}

std::vector<std::uint32_t> unique_set::sorted_entries() const {
  std::vector<std::uint32_t> entries;
  if (form_ == form::sparse) {
    const auto* begin = static_cast<const std::uint32_t*>(content_.block);
    entries.assign(begin, begin + size_ + tail_);
    const auto tail = entries.begin() + size_;
    std::sort(tail, entries.end());
    std::inplace_merge(entries.begin(), tail, entries.end());
  } else {
    const auto all = hashes();
    entries.resize(all.size());
    std::transform(all.begin(), all.end(), entries.begin(), entry_of);
    std::sort(entries.begin(), entries.end());  // in order but for the ranks of equal indexes
  }
  keep_highest(entries);
  return entries;
}

// Could be const to the compiler, as the registers lie outside the object.
// NOLINTNEXTLINE(readability-make-member-function-const)
void unique_set::raise_registers(const std::vector<std::uint32_t>& entries) {
  auto* registers = static_cast<std::uint8_t*>(content_.block);
  for (const auto entry : entries) {
    auto& r = registers[index_of(entry) >> lost_bits];
    r = std::max(r, dense_rank(entry));
  }
}

void unique_set::add(std::uint64_t hash) {
  switch (form_) {
    case form::one:
      if (size_ == 0) {
        content_.hash = hash;
        size_ = 1;
      } else if (content_.hash != hash) {
        assign_hashes({std::min(content_.hash, hash), std::max(content_.hash, hash)});
      }
      return;
    case form::exact:
      return add_exact(hash);
    case form::sparse:
      return add_sparse(entry_of(hash));
    case form::dense: {
      const auto entry = entry_of(hash);
      auto& r = static_cast<std::uint8_t*>(content_.block)[index_of(entry) >> lost_bits];
      r = std::max(r, dense_rank(entry));
      return;
    }
  }
}

void unique_set::add_exact(std::uint64_t hash) {
  const auto all = hashes();
  const auto place = first_not_less(all.data(), all.size(), hash);
  if (place < size_ && all[place] == hash) return;
  if (size_ == exact_max) {
    assign_entries(sorted_entries());
    return add_sparse(entry_of(hash));
  }
  if (size_ == capacity()) {
    unique_set larger;
    larger.take_block(form::exact, capacity() * 2);
    std::memcpy(larger.content_.block, content_.block, used_bytes());
    larger.size_ = size_;
    *this = std::move(larger);
  }
  auto* begin = static_cast<std::uint64_t*>(content_.block);
  std::memmove(begin + place + 1, begin + place, (size_ - place) * sizeof(hash));
  begin[place] = hash;
  ++size_;
}

void unique_set::add_sparse(std::uint32_t entry) {
  auto* begin = static_cast<std::uint32_t*>(content_.block);
  const auto place = first_not_less(begin, size_, index_of(entry) << rank_bits);
  if (place < size_ && index_of(begin[place]) == index_of(entry)) {
    begin[place] = std::max(begin[place], entry);
    return;
  }
  begin[size_ + tail_++] = entry;
  if (std::size_t{size_} + tail_ == capacity()) assign_entries(sorted_entries());
}

const unique_set& unique_set::settled(unique_set& scratch) const {
  if (tail_ == 0) return *this;
  scratch.assign_entries(sorted_entries());
  return scratch;
}

void unique_set::merge(const unique_set& other) {
  const auto few = [](const unique_set& s) { return s.exact() && s.size_ <= small_max; };
  if (this == &other) return;
  if (few(other)) {
    for (const auto hash : other.hashes()) add(hash);
  } else if (few(*this)) {
    unique_set sum{other};
    for (const auto hash : hashes()) sum.add(hash);
    *this = std::move(sum);
  } else if (form_ == form::dense || other.form_ == form::dense) {
    merge_dense(other);
  } else if (exact() && other.exact()) {
    merge_exact(other);
  } else {
    merge_sparse(other);
  }
}

void unique_set::merge_exact(const unique_set& other) {
  const auto a = hashes();
  const auto b = other.hashes();
  std::vector<std::uint64_t> both;
  both.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  if (both.size() <= exact_max) return assign_hashes(both);
  merge_sparse(other);
}

void unique_set::merge_sparse(const unique_set& other) {
  const auto a = sorted_entries();
  const auto b = other.sorted_entries();
  std::vector<std::uint32_t> both(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), both.begin());
  keep_highest(both);
  assign_entries(both);
}

void unique_set::merge_dense(const unique_set& other) {
  if (form_ != form::dense) {
    const auto mine = sorted_entries();
    *this = other;
    return raise_registers(mine);
  }
  if (other.form_ != form::dense) return raise_registers(other.sorted_entries());
  auto* to = static_cast<std::uint8_t*>(content_.block);
  const auto* from = static_cast<const std::uint8_t*>(other.content_.block);
  for (std::size_t i = 0; i < register_count; ++i) to[i] = std::max(to[i], from[i]);
}

bool unique_set::empty() const {
  return form_ == form::one && size_ == 0;
}

bool unique_set::exact() const {
  return form_ == form::one || form_ == form::exact;
}

std::uint64_t unique_set::estimate() const {
  unique_set scratch;
  const auto& set = settled(scratch);
  if (set.exact()) return set.size_;
  const auto estimated = set.form_ == form::sparse
                             ? sparse_estimate(set.size_)
                             : dense_estimate(static_cast<const std::uint8_t*>(set.content_.block));
  return static_cast<std::uint64_t>(std::llround(estimated));
}

double unique_set::relative_error() const {
  if (exact()) return 0;
  unique_set scratch;
  if (settled(scratch).form_ == form::dense) return 1.04 / std::sqrt(double{register_count});
  // Linear counting of few among many: only two hashes with one index are missed or overcorrected.
  return 1 / std::sqrt(2 * std::ldexp(1.0, sparse_bits));
}

bool unique_set::operator==(const unique_set& other) const {
  unique_set scratch_a, scratch_b;
  const auto& a = settled(scratch_a);
  const auto& b = other.settled(scratch_b);
  if (a.form_ != b.form_ || a.size_ != b.size_) return false;
  if (a.form_ == form::one) return a.content_.hash == b.content_.hash;
  return std::memcmp(a.content_.block, b.content_.block, a.used_bytes()) == 0;
}

void unique_set::encode(byte_writer& out) const {
  unique_set scratch;
  const auto& set = settled(scratch);
  if (set.exact()) {
    out.varint(set.size_);
    for (const auto hash : set.hashes()) out.u64be(hash);
  } else if (set.form_ == form::sparse) {
    out.varint(sparse_tag);
    out.varint(set.size_);
    const std::span entries{static_cast<const std::uint32_t*>(set.content_.block), set.size_};
    std::uint32_t before = 0;
    for (const auto entry : entries) out.varint(entry - std::exchange(before, entry));
  } else {
    out.varint(dense_tag);
    out.raw(packed(static_cast<const std::uint8_t*>(set.content_.block)));
  }
}

unique_set unique_set::decode(byte_reader& in) {
  unique_set set;
  const auto tag = in.varint();
  if (tag == sparse_tag) {
    set.read_sparse(in);
  } else if (tag == dense_tag) {
    set.read_dense(in);
  } else {
    set.read_exact(in, tag);
  }
  if (!in.ok()) return {};
  return set;
}

void unique_set::read_exact(byte_reader& in, std::uint64_t size) {
  if (size > exact_max || size * sizeof(std::uint64_t) > in.rest().size()) in.fail();
  if (!in.ok() || size == 0) return;
  if (size == 1) return add(in.u64be());
  std::vector<std::uint64_t> read(size);
  for (auto& hash : read) hash = in.u64be();
  const auto equal_or_descending =
      std::adjacent_find(read.begin(), read.end(), std::greater_equal{});
  if (equal_or_descending != read.end()) in.fail();
  assign_hashes(read);
}

void unique_set::read_sparse(byte_reader& in) {
  const auto size = in.varint();
  if (size == 0 || size > sparse_max || size > in.rest().size()) in.fail();
  if (!in.ok()) return;
  std::vector<std::uint32_t> read(size);
  std::uint64_t entry = 0;
  std::uint32_t smallest_index = 0;
  for (auto& r : read) {
    entry += std::min<std::uint64_t>(in.varint(), std::uint64_t{1} << 32);
    r = static_cast<std::uint32_t>(entry);
    const bool ascending = index_of(r) >= smallest_index;
    const bool possible = rank_of(r) >= 1 && rank_of(r) <= sparse_rank_max;
    if (entry >> (sparse_bits + rank_bits) != 0 || !ascending || !possible) in.fail();
    smallest_index = index_of(r) + 1;
  }
  if (in.ok()) assign_entries(read);
}

void unique_set::read_dense(byte_reader& in) {
  const auto packed = in.raw(packed_bytes);
  if (!in.ok()) return;
  take_block(form::dense, register_count);
  auto* r = static_cast<std::uint8_t*>(content_.block);
  std::size_t indexes = 0;
  for (std::size_t i = 0; i < register_count; ++i) {
    const auto* group = packed.data() + i / 4 * 3;
    const auto three = static_cast<std::uint32_t>(static_cast<std::uint8_t>(group[0])) << 16 |
                       static_cast<std::uint32_t>(static_cast<std::uint8_t>(group[1])) << 8 |
                       static_cast<std::uint32_t>(static_cast<std::uint8_t>(group[2]));
    r[i] = static_cast<std::uint8_t>(three >> (18 - 6 * (i % 4)) & 0x3f);
    if (r[i] > dense_rank_max) in.fail();
    indexes += indexes_behind(r[i]);
  }
  if (indexes <= sparse_max) in.fail();  // fewer would have stayed sparse
}

}  // namespace tally
