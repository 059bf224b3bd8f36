#include "domain/traffic_source.hpp"

#include <algorithm>
#include <unordered_map>

#include "domain/url_text.hpp"

namespace tally {
namespace {

struct site_entry {
  std::string_view key, name;
  site_kind kind;
};

constexpr site_entry sites[] = {
#include "domain/known_sites.inc"
};

struct click_id {
  std::string_view parameter, source, medium;  // medium empty: no advertisement by itself
};

// fbclid and igshid hang on every link of their networks, paid or not.
constexpr std::array<click_id, 15> click_ids{{
    {"gclid", "Google", "cpc"},
    {"gbraid", "Google", "cpc"},
    {"wbraid", "Google", "cpc"},
    {"dclid", "Google", "display"},
    {"msclkid", "Bing", "cpc"},
    {"yclid", "Yandex", "cpc"},
    {"ttclid", "TikTok", "cpc"},
    {"twclid", "X", "cpc"},
    {"li_fat_id", "LinkedIn", "cpc"},
    {"rdt_cid", "Reddit", "cpc"},
    {"ScCid", "Snapchat", "cpc"},
    {"epik", "Pinterest", "cpc"},
    {"fbclid", "Facebook", ""},
    {"igshid", "Instagram", ""},
    {"mc_eid", "Mailchimp", "email"},
}};

constexpr std::array<std::string_view, 5> utm_names{"utm_source", "utm_medium", "utm_campaign",
                                                    "utm_content", "utm_term"};

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

const known_site* look_up(std::string_view key) {
  static const auto index = [] {
    std::unordered_map<std::string_view, known_site> all;
    for (const auto& s : sites) all.emplace(s.key, known_site{s.name, s.kind});
    return all;
  }();
  const auto found = index.find(key);
  return found == index.end() ? nullptr : &found->second;
}

/// "com", "de", "co.uk", "com.br": what may follow the name of a site that is in every country.
bool is_country_end(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return text.size() >= 2 && text.size() <= 3;
  return dot >= 2 && dot <= 3 && text.size() - dot - 1 == 2;
}

template <std::size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& all) {
  return std::ranges::find(all, text) != all.end();
}

/// What is known of a visit's origin before a channel is chosen.
struct origin {
  std::string medium, campaign;  // in lower case
  std::string source;            // of utm_source in lower case
  site_kind kind = site_kind::other;
};

std::string_view paid_channel(const origin& o) {
  if (o.kind == site_kind::shopping || o.campaign.find("shop") != std::string::npos)
    return "Paid Shopping";
  if (o.kind == site_kind::search) return "Paid Search";
  if (o.kind == site_kind::social) return "Paid Social";
  if (o.kind == site_kind::video) return "Paid Video";
  return o.medium == "cpm" ? "Display" : "Paid Other";
}

std::string_view channel_of(const origin& o) {
  static constexpr std::array<std::string_view, 4> display{"display", "banner", "expandable",
                                                           "interstitial"};
  static constexpr std::array<std::string_view, 5> social{"social", "social-network",
                                                          "social-media", "sm", "social network"};
  static constexpr std::array<std::string_view, 5> mail{"email", "e-mail", "e_mail", "e mail",
                                                        "newsletter"};
  const auto& m = o.medium;
  if (o.campaign.find("cross-network") != std::string::npos) return "Cross-network";
  if (m.find("cp") != std::string::npos || m == "ppc" || m == "retargeting" ||
      m.starts_with("paid"))
    return paid_channel(o);
  if (one_of(m, display)) return "Display";
  if (one_of(m, mail) || one_of(o.source, mail)) return "Email";
  if (m == "affiliate" || m == "affiliates") return "Affiliates";
  if (m == "audio") return "Audio";
  if (m == "sms" || o.source == "sms") return "SMS";
  if (m.ends_with("push") || m.find("notification") != std::string::npos) return "Mobile Push";
  if (o.kind == site_kind::shopping) return "Organic Shopping";
  if (o.kind == site_kind::social || one_of(m, social)) return "Organic Social";
  if (o.kind == site_kind::video || m.find("video") != std::string::npos) return "Organic Video";
  if (o.kind == site_kind::search || m == "organic") return "Organic Search";
  if (o.kind == site_kind::mail) return "Email";
  if (o.kind == site_kind::ai) return "AI";
  return "Referral";
}

std::string_view without_www(std::string_view host) {
  if (host.starts_with("www.")) host.remove_prefix(4);
  return host;
}

/// Host and path: "search.example/find".
std::string short_referrer(std::string_view referrer, const std::string& host) {
  if (host.empty()) return std::string{referrer};
  auto page = url_page(referrer);
  while (page.ends_with('/')) page.remove_suffix(1);
  return host + std::string{page};
}

std::string& part(traffic_texts& t, traffic_part p) {
  return t[static_cast<std::size_t>(p)];
}

const click_id* read_parameters(std::string_view url, traffic_texts& t) {
  const click_id* clicked = nullptr;
  for_each_parameter(url_query(url), [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (const auto* const utm = std::ranges::find(utm_names, name); utm != utm_names.end()) {
      const auto first = static_cast<std::size_t>(traffic_part::utm_source);
      auto& text = t[first + static_cast<std::size_t>(utm - utm_names.begin())];
      if (text.empty()) text = decode_parameter(value);
    } else if (const auto* const id = std::ranges::find(click_ids, name, &click_id::parameter);
               id != click_ids.end() && (clicked == nullptr || id < clicked)) {
      clicked = id;
    }
  });
  return clicked;
}

}  // namespace

std::optional<known_site> find_site(std::string_view host) {
  if (const auto* const named = look_up(host); named != nullptr) return *named;
  for (auto rest = host; !rest.empty();) {
    const auto dot = rest.find('.');
    if (dot == std::string_view::npos) break;
    if (const auto* const found = look_up(rest); found != nullptr) return *found;
    const auto* const brand = look_up(rest.substr(0, dot));
    if (brand != nullptr && is_country_end(rest.substr(dot + 1))) return *brand;
    rest.remove_prefix(dot + 1);
  }
  return std::nullopt;
}

bool has_traffic_parameters(std::string_view url) {
  bool any = false;
  for_each_parameter(url_query(url), [&](std::string_view name, std::string_view value) {
    any = any || (!value.empty() &&
                  (one_of(name, utm_names) ||
                   std::ranges::find(click_ids, name, &click_id::parameter) != click_ids.end()));
  });
  return any;
}

traffic_texts traffic_of(std::string_view url, std::string_view referrer) {
  traffic_texts t;
  const auto* const clicked = read_parameters(url, t);
  const auto host = lower(without_www(url_host(referrer)));
  const bool own = !host.empty() && host == lower(without_www(url_host(url)));
  const bool referred = !referrer.empty() && !own;
  origin o;
  o.source = lower(part(t, traffic_part::utm_source));
  o.medium = lower(part(t, traffic_part::utm_medium));
  o.campaign = lower(part(t, traffic_part::utm_campaign));
  if (clicked != nullptr) {
    part(t, traffic_part::click_id_kind) = clicked->parameter;
    if (o.medium.empty()) o.medium = clicked->medium;
  }
  if (referred) part(t, traffic_part::referrer) = short_referrer(referrer, host);
  auto& source = part(t, traffic_part::source);
  if (!o.source.empty()) {
    source = part(t, traffic_part::utm_source);
  } else if (clicked != nullptr) {
    source = clicked->source;
  } else if (referred) {
    source = host.empty() ? std::string{referrer} : host;
  }
  if (const auto site = find_site(lower(source))) {
    o.kind = site->kind;
    source = site->name;
  }
  const bool any = std::ranges::any_of(t, [](const std::string& text) { return !text.empty(); });
  if (any) part(t, traffic_part::channel) = channel_of(o);
  return t;
}

}  // namespace tally
