#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

#include "domain/id_slices.hpp"
#include "domain/logic_v1/new_texts.hpp"
#include "persistence/event_codec.hpp"
#include "persistence/sealer.hpp"
#include "persistence/state_codec.hpp"

/// Duplicates and rejected events, found from what the serving generation saved.
namespace tally::persistence {
namespace {

constexpr std::int64_t day_ms = width_ms(slice_width::day);
constexpr std::int64_t hour_ms = width_ms(slice_width::hour);
constexpr std::int64_t stamped_slices = 24;  // as id_slices

std::int64_t floor_to(std::int64_t ms, std::int64_t step) {
  const auto rest = ms % step;
  return ms - (rest < 0 ? rest + step : rest);
}

struct hash_of_hash {
  std::size_t operator()(const id_hash& h) const { return static_cast<std::size_t>(h.low); }
};

/// Where an id came first: for ids by stamped time, in which hour.
struct first_use {
  std::int64_t hour = 0;
  std::uint64_t offset = 0;
};

/// The first uses of the ids of some events.
class id_uses {
 public:
  struct id {
    bool none = true;  // not recognised: no id, or a minted one
    id_class kind = id_class::client_time;
    std::int64_t time_ms = 0;
    id_hash hash;
  };
  static id id_of(const event& e, event_time stamped_at) {
    if (e.id.empty() || e.origin == id_origin::minted) return {};
    const bool sent = e.sent.form != time_form::none;
    return {false, sent ? id_class::client_time : id_class::stamped_time,
            to_ms(sent ? e.sent.at : stamped_at), hash_of_id(e)};
  }

  /// An id that will be asked for.
  void want(const id& i) {
    if (i.none) return;
    wanted_.try_emplace(i.hash);
    auto& spans = spans_[static_cast<std::size_t>(i.kind)];
    const auto from =
        i.kind == id_class::client_time ? i.time_ms : i.time_ms - stamped_slices * hour_ms;
    for (auto day = floor_to(from, day_ms); day <= i.time_ms; day += day_ms) {
      auto& span = spans.try_emplace(day, day + day_ms, day).first->second;
      span.first = std::min(span.first, std::max(from, day));
      span.second = std::max(span.second, std::min(i.time_ms, day + day_ms - 1));
    }
  }
  /// Finds the wanted ids in the database.
  status load(const state_store& store, const state_owner& owner);

  /// Whether the id came before, within the time it is recognised.
  [[nodiscard]] bool seen(const id& i, std::uint64_t offset) const {
    if (i.none) return false;
    const auto found = wanted_.find(i.hash);
    if (found == wanted_.end()) return false;
    const auto hour = floor_to(i.time_ms, hour_ms);
    return std::any_of(found->second.begin(), found->second.end(), [&](const first_use& use) {
      return use.offset < offset &&
             (i.kind == id_class::client_time ||
              (use.hour <= hour && hour - use.hour <= stamped_slices * hour_ms));
    });
  }
  void add(const id& i, std::uint64_t offset) {
    if (!i.none) wanted_[i.hash].push_back({floor_to(i.time_ms, hour_ms), offset});
  }

 private:
  /// By day: first and last millisecond that is needed.
  using day_spans = std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>>;

  status load_span(const state_store& store, const state_owner& owner, id_class kind,
                   std::int64_t from_ms, std::int64_t to_ms);

  std::unordered_map<id_hash, std::vector<first_use>, hash_of_hash> wanted_;
  std::array<day_spans, 2> spans_;
};

status id_uses::load(const state_store& store, const state_owner& owner) {
  for (const auto kind : {id_class::client_time, id_class::stamped_time})
    for (const auto& [day, span] : spans_[static_cast<std::size_t>(kind)])
      if (auto s = load_span(store, owner, kind, span.first, span.second); !s) return s;
  return done{};
}

status id_uses::load_span(const state_store& store, const state_owner& owner, id_class kind,
                          std::int64_t from_ms, std::int64_t to_ms) {
  std::vector<seen_id> ids;
  bool good = true;
  for (const auto width : {slice_width::minute, slice_width::hour, slice_width::day}) {
    const auto first = floor_to(from_ms, width_ms(width));
    auto scanned = store.scan_ids(
        owner, {static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(width), first, 0}, to_ms,
        [&](const id_run_address& run, std::string_view bytes) {
          ids.clear();
          good = decode_id_run(bytes, ids);
          for (const auto& one : ids)
            if (const auto found = wanted_.find(one.hash); found != wanted_.end())
              found->second.push_back({floor_to(run.slice, hour_ms), one.offset});
          return good;
        });
    if (!scanned) return scanned;
  }
  if (!good) return failure{errc::corrupt_record, "ids of merchant " + owner.merchant};
  return done{};
}

result<seen_texts> load_texts(const state_store& store, const state_owner& owner) {
  seen_texts texts;
  bool good = true, full = false;
  const auto scanned =
      store.scan_pages(owner, texts_part, [&](std::uint32_t, std::string_view bytes) {
        good = decode_texts_page(bytes, texts, full);
        return good;
      });
  if (!scanned) return scanned.error();
  if (!good) return failure{errc::corrupt_record, "texts of merchant " + owner.merchant};
  return texts;
}

/// Decides event after event. Must follow logic_v1::apply_data.
class judge {
 public:
  judge(seen_texts texts, id_uses ids) : texts_{std::move(texts)}, ids_{std::move(ids)} {}

  /// `saved`: texts and ids of this event are in the database already. Its texts are there if and
  /// only if it was not rejected, since what filled a limit once fills it for ever. (One that was a
  /// duplicate with other texts, before the limit was reached, cannot be told from a rejected one:
  /// neither is counted.)
  row_outcome decide(const event& e, event_time stamped_at, std::uint64_t offset, bool saved) {
    const bool is_data = e.kind == event_kind::data;
    if (e.kind == event_kind::settings || e.kind == event_kind::promotion)
      return row_outcome::control;
    logic_v1::new_texts fresh;
    const bool limited = e.kind != event_kind::rejected;
    if (limited && fresh.find(texts_, e) != logic_v1::reject_reason::none)
      return is_data ? row_outcome::rejected : row_outcome::control;
    const auto id = id_uses::id_of(e, stamped_at);
    if (ids_.seen(id, offset)) return is_data ? row_outcome::duplicate : row_outcome::control;
    if (!saved) {
      ids_.add(id, offset);
      if (limited) fresh.remember(texts_);
    }
    return is_data ? row_outcome::fresh : row_outcome::control;
  }

 private:
  seen_texts texts_;
  id_uses ids_;
};

status judge_rows(const state_store& store, const state_owner& owner, std::uint64_t saved_to,
                  std::vector<tail_row>& rows) {
  event e;
  id_uses ids;
  for (const auto& row : rows)
    if (decode_event(row.bytes, e)) ids.want(id_uses::id_of(e, row.stamped_at));
  auto texts = load_texts(store, owner);
  if (!texts) return texts.error();
  if (auto loaded = ids.load(store, owner); !loaded) return loaded;
  judge decider{std::move(*texts), std::move(ids)};
  for (auto& row : rows)
    // What this version cannot read, it has not counted.
    row.outcome = decode_event(row.bytes, e)
                      ? decider.decide(e, row.stamped_at, row.offset, row.offset <= saved_to)
                      : row_outcome::control;
  return done{};
}

}  // namespace

status judge_tail(const state_store& store, const state_owner& owner, std::vector<tail_row>& rows) {
  // First the offset: what is read after it may be newer, which changes no answer.
  const auto saved = saved_offset(store, owner, nullptr);
  if (!saved) return saved.error();
  return judge_rows(store, owner, *saved, rows);
}

status judge_saved(const state_store& store, const state_owner& owner,
                   std::vector<tail_row>& rows) {
  return judge_rows(store, owner, std::numeric_limits<std::uint64_t>::max(), rows);
}

}  // namespace tally::persistence
