#pragma once

#include <rocksdb/db.h>

#include <array>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "persistence/history.hpp"
#include "persistence/history_files.hpp"
#include "persistence/rocks.hpp"

/// The inside of history, shared by history.cpp (reading) and history_writer.cpp.
namespace tally::persistence {

/// Families by their place in `names`.
enum class history_family : std::size_t { fallback = 0, blocks = 1, columns = 2 };
constexpr std::size_t history_families = 3;

struct history::impl {
  history_options options;
  std::shared_ptr<history_files> files;
  std::unique_ptr<rocksdb::Env> env;
  std::shared_ptr<rocks::error_watch> watch = std::make_shared<rocks::error_watch>(true);
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, history_families> families{};

  // An ingest is not seen half by who takes a view: it excludes them for its moment.
  mutable std::shared_mutex ingest_mutex;
  std::shared_ptr<const sealed_position> sealed;
  bool is_writing = false;  // of the one history_writer
  // So many files were begun. A name is not used again: the file that had it may still be there as
  // a second name of one that the database took over, and would be cut short.
  std::uint64_t files_begun = 0;

  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl();

  [[nodiscard]] rocksdb::ColumnFamilyHandle* family(history_family f) const {
    return families[static_cast<std::size_t>(f)];
  }
  /// Where files are made before they are ingested.
  [[nodiscard]] std::string making() const { return options.path + "/making"; }
  [[nodiscard]] status open_database();
  [[nodiscard]] status remove_unfinished() const;
  [[nodiscard]] status check_format() const;
  [[nodiscard]] status load_sealed();
  [[nodiscard]] rocksdb::DBOptions database_options() const;
  [[nodiscard]] static rocksdb::ColumnFamilyOptions family_options(
      history_family f, const std::shared_ptr<rocksdb::Cache>& cache);
};

}  // namespace tally::persistence
