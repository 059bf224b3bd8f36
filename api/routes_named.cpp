#include "api/named_filter_request.hpp"
#include "api/problem.hpp"
#include "api/routes_impl.hpp"

/// Routes of goals and segments.
namespace tally::api {

/// Whoever may ask about a merchant may see them, an admin key changes them. In a cluster both
/// happen at the node that leads the merchant's shard; a change may be carried out twice.
void routes::name_filters(const request_ptr& request, const key_facts& key, respond answer) {
  auto merchant = request->parameter("merchant").value_or(std::string{});
  if (!may_read(key, merchant, "/merchant", answer)) return;
  auto read = read_named_filter(*request);
  if (auto* const refused = std::get_if<http_response>(&read)) return answer(std::move(*refused));
  const auto wish = std::make_shared<named_filter_wish>(std::get<0>(std::move(read)));
  if (wish->is_change() && key.scope != key_scope::admin)
    return answer(problem(403, "wrong_scope", "this needs an admin key"));
  if (!wish->is_change() && !within_rate(key, merchant, answer)) return;
  with_merchant(
      request, key, merchant, std::move(answer),
      [self = shared_from_this(), wish, merchant](const respond& to) {
        if (wish->is_change())
          return self->engine_.command(command_of(*wish, merchant),
                                       [to, wish, merchant](result<std::string> said) {
                                         to(answer_of_change(*wish, merchant, std::move(said)));
                                       });
        self->engine_.find_filters(
            merchant, wish->use,
            [to, wish](const result<std::vector<persistence::filter_record>>& all) {
              to(all ? answer_of_list(*wish, *all) : answer_of_change(*wish, {}, all.error()));
            });
      });
}

}  // namespace tally::api
