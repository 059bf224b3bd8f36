#include "domain/live_window.hpp"

#include <xxhash.h>

#include <algorithm>
#include <tuple>

#include "domain/ensure.hpp"
#include "domain/traffic_source.hpp"
#include "domain/url_text.hpp"

namespace tally {
namespace {

constexpr std::size_t node_bytes = 64;  // of a multimap, with what malloc adds
constexpr std::size_t short_text = 15;  // lies inside a std::string
constexpr std::size_t text_bytes_max = 256;

std::string cut(std::string_view text) {
  return std::string{text.substr(0, text_bytes_max)};
}

std::uint64_t hash_of(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

std::string source_of(const event& e) {
  return cut(traffic_of(e.url, e.referrer)[static_cast<std::size_t>(traffic_part::source)]);
}

/// One event as a breakdown sees it.
struct part {
  std::uint64_t label = 0, visitor = 0;  // hashes
  const std::string* text = nullptr;
  std::uint64_t pageviews = 0;
};

std::vector<live_numbers::line> top_of(std::vector<part>& parts) {
  std::sort(parts.begin(), parts.end(), [](const part& a, const part& b) {
    return std::tie(a.label, a.visitor) < std::tie(b.label, b.visitor);
  });
  std::vector<live_numbers::line> lines;
  for (std::size_t i = 0; i < parts.size();) {
    live_numbers::line line{*parts[i].text, 0, 0};
    const auto label = parts[i].label;
    std::uint64_t last = 0;
    for (; i < parts.size() && parts[i].label == label; ++i) {
      line.pageviews += parts[i].pageviews;
      if (parts[i].visitor != last) ++line.visitors;
      last = parts[i].visitor;
    }
    lines.push_back(std::move(line));
  }
  const auto before = [](const auto& a, const auto& b) {
    return std::tie(b.visitors, b.pageviews, a.label) < std::tie(a.visitors, a.pageviews, b.label);
  };
  std::sort(lines.begin(), lines.end(), before);
  if (lines.size() > live_top_max) lines.resize(live_top_max);
  return lines;
}

}  // namespace

std::size_t live_window::bytes_of(const entry& e) {
  std::size_t bytes = sizeof(entries::value_type) + node_bytes;
  for (const auto* text : {&e.name, &e.page, &e.country, &e.source})
    if (text->capacity() > short_text) bytes += text->capacity() + 1;
  return bytes;
}

void live_window::erase(entries::iterator which) {
  bytes_ -= bytes_of(which->second);
  entries_.erase(which);
}

bool live_window::add(const event& e, bool is_page_view, event_time now) {
  const auto at = std::min(e.at, now);
  if (at <= now - live_span) return false;
  entry made;
  made.name = cut(e.name);
  made.page = cut(url_page(e.url));
  made.country = cut(e.country);
  made.source = source_of(e);
  const auto who = e.visitor.empty() ? e.user : e.visitor;
  if (!who.empty()) made.visitor = std::max<std::uint64_t>(1, hash_of(who));
  made.is_page_view = is_page_view;
  bytes_ += bytes_of(entries_.emplace(at, std::move(made))->second);
  while (entries_.size() > limits_.events_max || bytes_ > limits_.bytes_max) drop_oldest();
  return true;
}

void live_window::drop_oldest() {
  ensure(!entries_.empty(), "nothing to drop from a live window");
  dropped_until_ = std::max(dropped_until_, entries_.begin()->first);
  erase(entries_.begin());
}

bool live_window::expire(event_time now) {
  bool changed = false;
  while (!entries_.empty() && entries_.begin()->first <= now - live_span) {
    erase(entries_.begin());
    changed = true;
  }
  return changed;
}

event_time live_window::next_expiry() const {
  if (entries_.empty()) return time_from_ms(std::numeric_limits<std::int64_t>::max());
  return entries_.begin()->first + live_span;
}

live_numbers live_window::numbers() const {
  live_numbers n;
  std::vector<std::uint64_t> visitors;
  std::vector<part> pages, countries, sources;
  for (const auto& [at, e] : entries_) {
    n.pageviews += e.is_page_view ? 1 : 0;
    if (e.visitor != 0) visitors.push_back(e.visitor);
    const std::uint64_t viewed = e.is_page_view ? 1 : 0;
    if (!e.page.empty()) pages.push_back({hash_of(e.page), e.visitor, &e.page, viewed});
    countries.push_back({hash_of(e.country), e.visitor, &e.country, viewed});
    sources.push_back({hash_of(e.source), e.visitor, &e.source, viewed});
  }
  std::sort(visitors.begin(), visitors.end());
  n.visitors =
      static_cast<std::uint64_t>(std::unique(visitors.begin(), visitors.end()) - visitors.begin());
  n.pages = top_of(pages);
  n.countries = top_of(countries);
  n.sources = top_of(sources);
  for (auto i = entries_.rbegin(); i != entries_.rend() && n.last.size() < live_last_events_max;
       ++i)
    n.last.push_back({i->second.name, i->second.page, i->second.country, i->first});
  return n;
}

}  // namespace tally
