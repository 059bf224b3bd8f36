#pragma once

#include <string>

#include "domain/result.hpp"
#include "persistence/history.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_store.hpp"

namespace tally::persistence {

/// Writes a backup of a running node into `directory`, which must not exist: a checkpoint of the
/// state, one of the history where there is one, then one of the journal, so that the journal is
/// never behind them, and the file `BACKUP`. Segments that were dropped meanwhile make it fail with
/// unavailable. Files are hard links where the file system allows it: copy the folder elsewhere to
/// be safe from a broken disk. Nothing at `directory` counts as a backup before `BACKUP` is there.
/// From any thread; fails with conflict where `directory` exists.
///
/// BACKUP is text, a line each: "tally-backup 1", then per file size in bytes, crc32c in hex and
/// path, then "end" and the crc32c of the lines before.
status backup(const journal& log, const state_store& state, const std::string& directory,
              const history* past = nullptr);

/// Copies a backup into `data_dir`, which must be empty or missing, and checks every file against
/// `BACKUP` on the way. The restored journal gets a new identity, since it may lack what its source
/// acknowledged after the backup. A restore that was interrupted may be repeated.
/// Fails with corrupt_record naming the file, conflict, not_found, unsupported.
status restore(const std::string& backup_dir, const std::string& data_dir);

}  // namespace tally::persistence
