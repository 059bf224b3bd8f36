#include "actors/light_actor.hpp"

namespace tally::actors {

light_actor::~light_actor() {
  while (todo_ != nullptr) next();
}

void light_actor::launch(caf::execution_unit* host, bool /*lazy*/, bool hide) {
  if (!hide) register_at_system();
  if (!inbox_.try_block()) schedule(host);
}

// Whoever is in the scheduler's queue holds a reference.
void light_actor::schedule(caf::execution_unit* host) {
  intrusive_ptr_add_ref_impl();
  if (host != nullptr) {
    host->exec_later(this);
  } else {
    home_system().scheduler().enqueue(this);
  }
}

void light_actor::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* host) {
  if (inbox_.push_front(std::move(what)) == caf::intrusive::inbox_result::unblocked_reader)
    schedule(host);
}

bool light_actor::cleanup(caf::error&& reason, caf::execution_unit* host) {
  if (!inbox_.closed()) inbox_.close();
  return caf::local_actor::cleanup(std::move(reason), host);
}

caf::mailbox_element_ptr light_actor::next() {
  if (todo_ == nullptr && !inbox_.closed()) {
    for (caf::mailbox_element* newest = inbox_.take_head(); newest != nullptr;) {
      auto* const older = static_cast<caf::mailbox_element*>(newest->next);
      newest->next = todo_;
      todo_ = newest;
      newest = older;
    }
  }
  caf::mailbox_element_ptr first{todo_};
  if (todo_ != nullptr) todo_ = static_cast<caf::mailbox_element*>(todo_->next);
  return first;
}

caf::resumable::resume_result light_actor::resume(caf::execution_unit* host,
                                                  std::size_t messages_max) noexcept {
  context(host);
  for (std::size_t i = 0; i < messages_max; ++i) {
    const auto element = next();
    if (!element) {
      if (inbox_.try_block()) return awaiting_message;
      continue;
    }
    auto& message = element->content();
    if (message.match_element<caf::atom_value>(0)) {
      receive(message);
    } else if (message.match_element<caf::exit_msg>(0)) {
      quit();
    }
    if (!quitting_) continue;
    cleanup(caf::exit_reason::normal, host);
    return done;
  }
  return resume_later;
}

}  // namespace tally::actors
