#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/engine.hpp"
#include "actors/live_feed.hpp"
#include "actors/round_trace.hpp"
#include "actors/submission.hpp"
#include "domain/id_slices.hpp"
#include "domain/merchant_state.hpp"
#include "domain/query.hpp"
#include "domain/scan.hpp"
#include "domain/scan_plan.hpp"
#include "persistence/chunk.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_codec.hpp"
#include "persistence/state_store.hpp"

/// Every interface between the actors of a node. Messages carry shared pointers: all these actors
/// live in one process, and what travels is a pointer and a position, never a copy of events.
namespace tally::actors {

struct node_env;

using submit_atom = caf::atom_constant<caf::atom("submit")>;
using append_atom = caf::atom_constant<caf::atom("append")>;
using flush_atom = caf::atom_constant<caf::atom("flush")>;
using commit_atom = caf::atom_constant<caf::atom("commit")>;
using apply_atom = caf::atom_constant<caf::atom("apply")>;
using load_atom = caf::atom_constant<caf::atom("load")>;
using loaded_atom = caf::atom_constant<caf::atom("loaded")>;
using ids_atom = caf::atom_constant<caf::atom("ids")>;
using write_atom = caf::atom_constant<caf::atom("write")>;
using saved_atom = caf::atom_constant<caf::atom("saved")>;
using ask_atom = caf::atom_constant<caf::atom("ask")>;
using save_atom = caf::atom_constant<caf::atom("save")>;
using sleep_atom = caf::atom_constant<caf::atom("sleep")>;
using asleep_atom = caf::atom_constant<caf::atom("asleep")>;
using stop_atom = caf::atom_constant<caf::atom("stop")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using run_atom = caf::atom_constant<caf::atom("run")>;
using next_atom = caf::atom_constant<caf::atom("next")>;
using overdue_atom = caf::atom_constant<caf::atom("overdue")>;
using oldest_atom = caf::atom_constant<caf::atom("oldest")>;
using meta_atom = caf::atom_constant<caf::atom("meta")>;
using probe_atom = caf::atom_constant<caf::atom("probe")>;
using role_atom = caf::atom_constant<caf::atom("role")>;
using follow_atom = caf::atom_constant<caf::atom("follow")>;
using clear_atom = caf::atom_constant<caf::atom("clear")>;
using drop_atom = caf::atom_constant<caf::atom("drop")>;
using drain_atom = caf::atom_constant<caf::atom("drain")>;
using status_atom = caf::atom_constant<caf::atom("status")>;
using live_atom = caf::atom_constant<caf::atom("live")>;
using watch_atom = caf::atom_constant<caf::atom("watch")>;
using console_atom = caf::atom_constant<caf::atom("console")>;

/// Events of one submission for one lane: positions in `events->events`.
struct lane_part {
  submission_ptr events;
  std::vector<std::uint32_t> positions;
};
using lane_part_ptr = std::shared_ptr<const lane_part>;

/// One event of a committed round, in the order in which its lane hands events out.
struct round_item {
  std::string_view merchant;  // into the chunk
  std::string_view bytes;     // into the chunk
  std::uint64_t hash = 0, offset = 0;
  event_time stamped_at{};
  submission* from = nullptr;  // null for what the node wrote itself
  std::uint32_t position = 0;
  std::uint32_t chunk = 0;               // which of the round's
  struct merchant_slot* slot = nullptr;  // the lane's own
};

/// What a submission has in a round.
struct round_share {
  submission_ptr from;
  std::uint32_t count = 0;
};

/// A change that is told when its shard's chunk is committed or failed.
struct waiting_change {
  std::uint16_t shard = 0;
  std::shared_ptr<struct registry_change> what;
};

/// What one lane had committed in one round. Keeps chunks and submissions alive. One chunk a shard.
struct lane_round {
  persistence::round_number number = 0;
  // Where copies of shards commit one by one: the round of each chunk, 0 where it was refused.
  std::vector<persistence::round_number> numbers;
  std::vector<std::shared_ptr<persistence::chunk>> chunks;
  std::vector<round_share> shares;
  std::vector<round_item> items;             // by merchant, then offset, once committed
  std::vector<persistence::record> records;  // for the merchants family
  std::vector<waiting_change> waiting;
  std::uint64_t bytes = 0;
  bool is_followed = false;  // another node led it

  [[nodiscard]] persistence::round_number number_of(const round_item& item) const {
    return numbers.empty() ? number : numbers[item.chunk];
  }
};
using lane_round_ptr = std::shared_ptr<lane_round>;

/// A merchant's part of a round.
struct merchant_part {
  lane_round_ptr round;
  std::uint32_t begin = 0, end = 0;
};

/// What an aggregator tells its lane without messages: written by one, read by the other.
struct slot_meter {
  std::atomic<std::uint64_t> bytes{0};   // memory of the live aggregator
  std::atomic<std::uint64_t> queued{0};  // bytes handed over and not yet applied
};

/// A journaled event that no snapshot holds yet, read back from the log.
struct tail_event {
  std::uint64_t offset = 0;
  event_time stamped_at{};
  std::string bytes;
};
/// Such events of many merchants, each in the order of its offsets.
using tail_events = std::unordered_map<std::string, std::vector<tail_event>>;
using tail_events_ptr = std::shared_ptr<tail_events>;

/// An aggregator's state as read back: snapshot, then the journal's tail past it.
struct loaded_merchant {
  status outcome = done{};
  persistence::loaded_state from;
  bool found = false;
  std::uint32_t generation = 0;    // whose state it is
  std::vector<tail_event> events;  // what `tail` points into
  std::vector<round_item> tail;
};
using loaded_ptr = std::shared_ptr<loaded_merchant>;

struct loaded_ids {
  status outcome = done{};
  std::vector<std::pair<slice_range, std::vector<seen_id>>> slices;
};
using loaded_ids_ptr = std::shared_ptr<loaded_ids>;

/// A question on its way: lane, aggregator, query worker.
struct query_job {
  question asked;
  event_time now{};
  std::vector<ack_position> after;
  std::function<void(result<query_reply>)> then;  // of a question that totals answer
  // filled on the way
  event_time as_of{};
  std::optional<plan> planned;
  row_set unsaved;  // of the rows that the plan reads, what no snapshot holds yet
  row_set saving;   // and what a snapshot up to `saving_offset` holds that `view` may have or not
  std::uint64_t saving_offset = 0;
  persistence::state_owner owner;
  persistence::state_store::view_ptr view;
  std::chrono::steady_clock::time_point deadline{}, started{};
  // of a question that needs events
  std::function<result<scan_plan>(const merchant_facts&, event_time, const ruleset&)> plan_events;
  std::function<void(scan&, query_reply)> finish;  // gives the answer; the reply has no table yet
  std::optional<scan_plan> scanned;
  round_trace::picture trace;  // of its lane, as it was asked
  std::uint64_t upto = 0;      // the offset up to which events are counted
  const zone* reporting_zone = nullptr;
  // Set: no question; this reads the merchant's events, on a scan worker.
  std::function<void(node_env&, const query_job&)> reader;
  std::function<void(const failure&)> failed;  // instead of `then` or `reader`
};
using query_job_ptr = std::shared_ptr<query_job>;

/// A look at one merchant's live state, run inside its aggregator once all before is applied and
/// saved. `looker` must not keep references.
struct inspection {
  std::string merchant;
  std::function<void(result<const merchant_state*>, persistence::round_number)> looker;
  bool save_first = false;                    // snapshot before looking: nothing is left in deltas
  bool rebuild = false;                       // throw away and replay the journal, then look
  std::function<void(result<bool>)> rebuilt;  // true: the hash was equal
  std::uint32_t generation = 0;               // set before `looker` is called: whose state it is
};
using inspection_ptr = std::shared_ptr<inspection>;

/// A change of a merchant's settings or keys: records for the merchants family and, where it
/// changes counting, an encoded control event.
struct registry_change {
  std::string merchant, event;
  std::vector<persistence::record> records;
  std::function<void(status)> then;
  // Where shards may move: until then it is taken to whoever leads. None: not tried yet.
  std::chrono::steady_clock::time_point until{};
};
using registry_change_ptr = std::shared_ptr<registry_change>;

using task_ptr = std::shared_ptr<std::function<void()>>;

/// The only writer of the journal. Detached: it waits for the disk. Gathers what is in its mailbox
/// into one commit round.
using journal_actor = caf::typed_actor<
    // One lane's chunks. Answers the lane with commit_atom when they are on disk or refused.
    caf::reacts_to<append_atom, lane_round_ptr, caf::strong_actor_ptr>, caf::reacts_to<flush_atom>,
    // Tries a small write after the disk was full; lets writes in again where it works.
    caf::reacts_to<probe_atom>,
    // Durable write to the journal's `meta` family.
    caf::replies_to<meta_atom, std::string, std::string>::with<bool>,
    // Drops segments of the log that end before a round, which history must have, but for
    // `engine_options::keep_log_bytes`. False where it could not.
    caf::replies_to<drop_atom, std::uint64_t>::with<bool>>;

/// Reads and writes the state database. Detached; any number of them.
using io_actor = caf::typed_actor<
    // Runs a task that may wait for the disk.
    caf::reacts_to<run_atom, task_ptr>>;

/// Counts one merchant. At most one is alive on a node.
using aggregator_actor = caf::typed_actor<
    // Applies committed events, in order. Settles their submissions.
    caf::reacts_to<apply_atom, merchant_part>,
    // From I/O: state read at waking; id slices; a snapshot's end.
    caf::reacts_to<loaded_atom, loaded_ptr>, caf::reacts_to<ids_atom, loaded_ids_ptr>,
    caf::reacts_to<saved_atom, bool>,
    // To itself: tries again to write a snapshot that was refused.
    caf::reacts_to<write_atom>,
    // Adds what is not yet saved to the job and hands it to a query worker.
    caf::reacts_to<ask_atom, query_job_ptr>,
    // Snapshots now if anything changed.
    caf::reacts_to<save_atom>,
    // Looks or rebuilds.
    caf::reacts_to<run_atom, inspection_ptr>,
    // Tells what it counts from now on to this feed, or to none.
    caf::reacts_to<watch_atom, live_feed_ptr>,
    // Snapshots, then tells the lane asleep_atom; goes on working if more comes meanwhile.
    caf::reacts_to<sleep_atom>,
    // Ends; only after asleep_atom and with nothing sent since.
    caf::reacts_to<stop_atom>>;

/// Leads a group of shards: orders and commits their events, wakes their merchants and hands the
/// committed events to them.
using lane_actor = caf::typed_actor<
    // Takes events in; settles those over a limit at once.
    caf::reacts_to<submit_atom, lane_part_ptr>,
    // To itself: close the gathered chunks and send them to the journal.
    caf::reacts_to<flush_atom>,
    // From the journal: the round is on disk, or was refused for this reason (errc, 0: committed).
    caf::reacts_to<commit_atom, lane_round_ptr, std::uint8_t>,
    // From the replicator: whether this node takes events for a shard from now on.
    caf::reacts_to<role_atom, std::uint16_t, bool>,
    // From the replicator: what was committed and has no items yet, since another node led it.
    caf::reacts_to<follow_atom, lane_round_ptr>,
    // From the replicator, which tells nothing of the shard meanwhile: puts all its merchants to
    // sleep and forgets what it knows of them, since another state comes in place of theirs, whose
    // last event has this offset and time of its stamp (ms). Answers when none is awake.
    caf::replies_to<clear_atom, std::uint16_t, std::uint64_t, std::int64_t>::with<bool>,
    // To itself: look again whether they sleep.
    caf::reacts_to<clear_atom>,
    // To itself: hand out more of what is committed.
    caf::reacts_to<next_atom>,
    // To itself: answer what has been durable for `visible_patience` and is not yet counted.
    caf::reacts_to<overdue_atom>,
    // A question for one of its merchants.
    caf::reacts_to<ask_atom, query_job_ptr>, caf::reacts_to<run_atom, inspection_ptr>,
    caf::reacts_to<run_atom, registry_change_ptr>,
    // Lends out a merchant's live numbers, without waking it.
    caf::reacts_to<live_atom, live_request_ptr>,
    // From an aggregator: saved, with the last round that is in the snapshot; asleep, with the
    // number of messages it has had.
    caf::reacts_to<saved_atom, std::string, std::uint64_t>,
    caf::reacts_to<asleep_atom, std::string, std::uint64_t>,
    // From I/O: the events that a crash left unsaved, of all merchants of this lane.
    caf::reacts_to<loaded_atom, tail_events_ptr>,
    // Every second: passivates idle merchants, keeps to the memory budget.
    caf::reacts_to<tick_atom>,
    // Passivates one merchant now, if it is awake.
    caf::reacts_to<sleep_atom, std::string>,
    // Snapshots every merchant with events before this round that are not saved.
    caf::reacts_to<save_atom, std::uint64_t>,
    // The oldest round with an event that no snapshot holds, 0 where there is none.
    caf::replies_to<oldest_atom>::with<std::uint64_t>,
    // Number of live merchants, their bytes.
    caf::replies_to<status_atom>::with<std::uint64_t, std::uint64_t>,
    // Takes nothing new, saves all; answers when everything is saved.
    caf::replies_to<drain_atom>::with<bool>>;

/// Groups submissions by lane. One per I/O thread.
using gateway_actor = caf::typed_actor<caf::reacts_to<submit_atom, submission_ptr>>;

/// Answers a question from its job's rows and view. Detached: it reads the disk.
using query_actor = caf::typed_actor<caf::reacts_to<ask_atom, query_job_ptr>>;

/// Work that reads many of a merchant's events. Exactly one of both functions is called.
struct scan_task {
  std::string merchant;
  std::function<void()> run;     // on a scan worker
  std::function<void()> refuse;  // too much waits already
};
using scan_task_ptr = std::shared_ptr<scan_task>;

/// Spreads tasks over the workers that scan.
using scan_desk_actor = caf::typed_actor<caf::reacts_to<run_atom, scan_task_ptr>,
                                         // From a worker: it is done with what it had.
                                         caf::reacts_to<next_atom, std::uint32_t>>;

/// Runs commands of `tally console` and of the client commands. Published for other processes.
using console_actor = caf::typed_actor<
    // (token, words as a JSON array) -> (errc or 0, JSON text or the error's detail)
    caf::replies_to<console_atom, std::string, std::string>::with<std::uint8_t, std::string>>;

}  // namespace tally::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::lane_part_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::lane_round_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::merchant_part)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::loaded_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::tail_events_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::loaded_ids_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::query_job_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::inspection_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::registry_change_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::live_feed_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::live_request_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::task_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::scan_task_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tally::actors::submission_ptr)
