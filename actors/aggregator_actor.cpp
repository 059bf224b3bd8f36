#include "actors/aggregator.hpp"
#include "domain/ensure.hpp"

/// What of a merchant is an actor.
namespace tally::actors {

aggregator::aggregator(caf::actor_config& config, aggregator_init init)
    : light_actor{config}, state_{this} {
  state_.start(std::move(init));
}

// The interface says what follows each atom.
void aggregator::receive(caf::type_erased_tuple& message) {
  switch (static_cast<std::uint64_t>(message.get_as<caf::atom_value>(0))) {
    case apply_atom::uint_value():
      return state_.apply(message.move_if_unshared<merchant_part>(1));
    case loaded_atom::uint_value():
      return state_.loaded(message.get_as<loaded_ptr>(1));
    case ids_atom::uint_value():
      return state_.ids_loaded(message.get_as<loaded_ids_ptr>(1));
    case saved_atom::uint_value():
      return state_.saved(message.get_as<bool>(1));
    case write_atom::uint_value():
      return state_.write();
    case ask_atom::uint_value():
      return state_.ask(message.get_as<query_job_ptr>(1));
    case save_atom::uint_value():
      return state_.save();
    case run_atom::uint_value():
      return state_.look(message.get_as<inspection_ptr>(1));
    case watch_atom::uint_value():
      return state_.watch(message.get_as<live_feed_ptr>(1));
    case sleep_atom::uint_value():
      return state_.sleep();
    case stop_atom::uint_value():
      return quit();
    default:
      ensure(false, "a message that is not in the aggregator's interface");
  }
}

}  // namespace tally::actors
