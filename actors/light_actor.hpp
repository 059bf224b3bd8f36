#pragma once

#include <caf/all.hpp>

namespace tally::actors {

/// A CAF actor with what a merchant's needs and no more: a mailbox and turns on the scheduler. It
/// has no behaviours to change, takes no requests, streams or timeouts. caf::scheduled_actor has
/// all that, and costs 1,300 bytes more for each merchant that is awake.
///
/// Whoever derives from it names its interface as `behavior_type`; its constructor may already send
/// messages. Exceptions end the process.
class light_actor : public caf::local_actor, public caf::resumable {
 public:
  explicit light_actor(caf::actor_config& config) : caf::local_actor{config} {}
  ~light_actor() override;

  void launch(caf::execution_unit* host, bool lazy, bool hide) final;
  using caf::local_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* host) final;
  bool cleanup(caf::error&& reason, caf::execution_unit* host) final;

  resume_result resume(caf::execution_unit* host, std::size_t messages_max) noexcept final;
  /// Ends after the message at hand. Only from receive().
  void quit() { quitting_ = true; }

  void intrusive_ptr_add_ref_impl() final { caf::intrusive_ptr_add_ref(ctrl()); }
  void intrusive_ptr_release_impl() final { caf::intrusive_ptr_release(ctrl()); }

 protected:
  /// One message of the interface, which begins with an atom.
  virtual void receive(caf::type_erased_tuple& message) = 0;

 private:
  struct mailbox_policy {
    using mapped_type = caf::mailbox_element;
    using unique_pointer = caf::mailbox_element_ptr;
  };
  void schedule(caf::execution_unit* host);
  caf::mailbox_element_ptr next();

  caf::intrusive::lifo_inbox<mailbox_policy> inbox_;  // newest first
  caf::mailbox_element* todo_ = nullptr;              // taken from it, oldest first
  bool quitting_ = false;
};

}  // namespace tally::actors
