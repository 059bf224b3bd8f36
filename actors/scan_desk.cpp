#include "actors/scan_desk.hpp"

#include <utility>

#include "actors/io_worker.hpp"

namespace tally::actors {

void scan_desk_state::give(scan_desk_actor::pointer self, std::uint32_t worker,
                           const scan_task_ptr& task) {
  self->send(workers[worker], run_atom::value,
             std::make_shared<std::function<void()>>(
                 [task, worker, desk = caf::actor_cast<caf::actor_addr>(self)] {
                   task->run();
                   // A desk that ended meanwhile needs no answer.
                   if (const auto alive = caf::actor_cast<scan_desk_actor>(desk))
                     caf::anon_send(alive, next_atom::value, worker);
                 }));
}

void scan_desk_state::take(scan_desk_actor::pointer self, const scan_task_ptr& task) {
  if (!idle.empty()) {
    const auto worker = idle.back();
    idle.pop_back();
    give(self, worker, task);
    return;
  }
  if (waiting_count_ >= waiting_max) {
    task->refuse();
    return;
  }
  auto& line = waiting_[task->merchant];
  if (line.empty()) turns_.push_back(task->merchant);
  line.push_back(task);
  ++waiting_count_;
}

void scan_desk_state::next(scan_desk_actor::pointer self, std::uint32_t worker) {
  if (turns_.empty()) {
    idle.push_back(worker);
    return;
  }
  auto merchant = std::move(turns_.front());
  turns_.pop_front();
  const auto line = waiting_.find(merchant);
  give(self, worker, line->second.front());
  line->second.pop_front();
  --waiting_count_;
  if (line->second.empty()) {
    waiting_.erase(line);
  } else {
    turns_.push_back(std::move(merchant));
  }
}

scan_desk_actor::behavior_type scan_desk(scan_desk_actor::stateful_pointer<scan_desk_state> self,
                                         const node_env_ptr& env) {
  auto& state = self->state;
  state.waiting_max = env->options.scans_waiting_max;
  for (std::uint32_t i = 0; i < env->options.scan_workers; ++i) {
    state.workers.push_back(self->spawn<caf::detached + caf::linked>(io_worker, i));
    state.idle.push_back(i);
  }
  return {
      [self](run_atom, const scan_task_ptr& task) { self->state.take(self, task); },
      [self](next_atom, std::uint32_t worker) { self->state.next(self, worker); },
  };
}

}  // namespace tally::actors
