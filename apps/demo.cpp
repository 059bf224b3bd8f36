#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "api/demo_shop.hpp"
#include "api/import_sender.hpp"
#include "api/reply_table.hpp"
#include "apps/child_node.hpp"
#include "apps/client.hpp"
#include "config/token_file.hpp"

namespace tally::apps {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::uint64_t demo_seed = 20'260'101;
constexpr int history_days = 90;
constexpr auto start_limit = 30s;

std::atomic<bool> interrupted{false};

void interrupt(int) {
  interrupted = true;
}

event_time wall_clock() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

/// A folder that goes away with the demo.
class demo_folder {
 public:
  explicit demo_folder(bool keep) : keep_{keep} {
    const auto* place = std::getenv("TMPDIR");
    path_ = std::string{place != nullptr ? place : "/tmp"} + "/tally-demo-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~demo_folder() {
    std::error_code ignored;
    if (!keep_ && !path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  demo_folder(const demo_folder&) = delete;
  demo_folder& operator=(const demo_folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool keep_;
};

/// One demo: a node, its shops and what is sent to them.
class demo {
 public:
  demo(child_node& node, bool once) : node_{node}, once_{once} {}

  status prepare();  // connect, create the shops
  status backfill();
  int show_first_answer();
  void say_what_next() const;
  status go_on_live();

  using demo_event = api::demo_event;

 private:
  status connect();
  status create_shops();
  status send(std::vector<api::demo_event> events);

  child_node& node_;
  bool once_;
  std::unique_ptr<actors::console_client> console_;
  api::import_options options_;
  std::unique_ptr<api::import_sender> sender_;
  std::vector<api::demo_simulator> simulators_;
  std::map<std::string, std::string> write_keys_, read_keys_;
  std::vector<demo_event> later_;  // made, but not yet due
  std::uint64_t sent_ = 0;
};

status demo::connect() {
  const auto limit = std::chrono::steady_clock::now() + start_limit;
  while (!interrupted && std::chrono::steady_clock::now() < limit) {
    if (!node_.is_running()) return failure{errc::unavailable, "the node ended; see its node.log"};
    const auto token = config::read_token(config::token_path(node_.console_port()));
    if (token) {
      auto client = actors::console_client::connect(node_.console(), *token, 5s);
      if (client) {
        console_ = std::move(*client);
        return done{};
      }
    }
    std::this_thread::sleep_for(50ms);
  }
  return failure{errc::unavailable, "the node does not answer"};
}

status demo::create_shops() {
  for (const auto& shop : api::demo_shops()) {
    const auto reply =
        console_->run({"merchant", "create", std::string{shop.id}, "--timezone",
                       std::string{shop.zone}, "--currency", std::string{shop.currency}});
    if (!reply) return reply.error();
    const auto keys = json::parse(*reply, nullptr, false);
    write_keys_[std::string{shop.id}] = keys.value("write_key", "");
    read_keys_[std::string{shop.id}] = keys.value("read_key", "");
    simulators_.emplace_back(shop, demo_seed);
  }
  const auto session = console_->run({"import", "session"});
  if (!session) return session.error();
  options_.http = node_.http();
  options_.key = json::parse(*session, nullptr, false).value("key", "");
  options_.stop = &interrupted;
  sender_ = std::make_unique<api::import_sender>(options_);
  return done{};
}

status demo::prepare() {
  if (auto connected = connect(); !connected) return connected;
  return create_shops();
}

status demo::send(std::vector<demo_event> events) {
  api::import_summary summary;
  std::string refused;
  for (std::size_t at = 0; at < events.size() && !interrupted;) {
    std::vector<api::imported_event> batch;
    for (; at < events.size() && batch.size() < options_.batch_events; ++at) {
      batch.push_back({std::move(events[at].json), 0});
    }
    sent_ += batch.size();
    auto sent = sender_->send(std::move(batch), summary, [&](const api::refused_line& line) {
      if (refused.empty()) refused = line.code + ": " + line.detail + " in " + line.text;
    });
    if (!sent) return sent;
  }
  if (!refused.empty()) return failure{errc::bad_request, "the node refused " + refused};
  return done{};
}

status demo::backfill() {
  const auto now = wall_clock();
  const auto today = std::chrono::floor<std::chrono::days>(now);
  const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
  for (int ago = history_days; ago >= 0 && !interrupted; --ago) {
    for (auto& simulator : simulators_) {
      auto made = simulator.play_day(event_time{today - std::chrono::days{ago}});
      std::move(made.begin(), made.end(), std::back_inserter(later_));
    }
    const auto end = std::min(now, event_time{today - std::chrono::days{ago - 1}});
    const auto due = std::stable_partition(later_.begin(), later_.end(),
                                           [&](const demo_event& e) { return e.at < end; });
    std::vector<demo_event> ready{std::make_move_iterator(later_.begin()),
                                  std::make_move_iterator(due)};
    later_.erase(later_.begin(), due);
    std::stable_sort(ready.begin(), ready.end(),
                     [](const demo_event& a, const demo_event& b) { return a.at < b.at; });
    if (auto sent = send(std::move(ready)); !sent) return sent;
    if (on_terminal) {
      std::fprintf(stderr, "\rplaying the last %d days: %d %%\x1b[K", history_days,
                   (history_days - ago) * 100 / history_days);
    }
  }
  // Visits of the rest of today are played live instead.
  later_.clear();
  if (on_terminal) std::fputs("\r\x1b[K", stderr);
  std::fprintf(stderr, "tally: %llu events of %zu shops are in\n",
               static_cast<unsigned long long>(sent_), simulators_.size());
  return done{};
}

int demo::show_first_answer() {
  const json question{{"site_id", "tea-room"},
                      {"metrics", {"net_sales", "orders", "visitors"}},
                      {"dimensions", {"time:day"}},
                      {"date_range", "28d"}};
  const auto reply = console_->run({"query", question.dump(), "text/csv"});
  if (!reply) return report(reply.error());
  std::puts("Net sales of The Tea Room, the last days:\n");
  std::fputs(api::render_chart(api::csv_table(*reply), terminal_width()).c_str(), stdout);
  return exit_ok;
}

void demo::say_what_next() const {
  const auto node = node_.console_port() == 7700 ? std::string{} : " --node " + node_.console();
  const auto& shop = "tea-room";
  std::printf(
      "\nTry, from another terminal:\n\n"
      "  tally query%s --merchant %s --metrics visitors,orders,net_sales --dimensions time:day "
      "--range 28d -o chart\n"
      "  tally query%s --merchant lampenhaus --metrics pageviews,conversion_rate --dimensions "
      "time:week --range 91d\n"
      "  tally console%s -c status\n\n"
      "  curl -s http://%s/v1/events -H 'Authorization: Bearer %s' \\\n"
      "    -d '{\"name\":\"page_view\",\"visitor\":\"me\",\"url\":\"https://tea-room.example/\"}'\n"
      "  curl -s http://%s/api/v2/query -H 'Authorization: Bearer %s' \\\n"
      "    -d '{\"site_id\":\"tea-room\",\"metrics\":[\"visitors\",\"pageviews\"],"
      "\"date_range\":\"day\",\"dimensions\":[\"time:hour\"]}'\n",
      node.c_str(), shop, node.c_str(), node.c_str(), node_.http().c_str(),
      write_keys_.at(shop).c_str(), node_.http().c_str(), read_keys_.at(shop).c_str());
  std::puts("\nOr open a shop in a browser:\n");
  for (const auto& [name, key] : read_keys_)
    std::printf("  http://%s/?period=day#key=%s\n", node_.http().c_str(), key.c_str());
  if (!once_) std::puts("\nVisitors keep coming. Ctrl-C ends the demo and removes its data.");
  std::fflush(stdout);
}

status demo::go_on_live() {
  std::mt19937_64 random{demo_seed};
  while (!interrupted) {
    if (!node_.is_running()) return failure{errc::unavailable, "the node ended; see its node.log"};
    const auto now = wall_clock();
    for (auto& simulator : simulators_) {
      if (random() % 4 != 0) continue;
      auto made = simulator.play_visit(now, true);
      std::move(made.begin(), made.end(), std::back_inserter(later_));
    }
    const auto due = std::stable_partition(later_.begin(), later_.end(),
                                           [&](const demo_event& e) { return e.at <= now; });
    std::vector<demo_event> ready{std::make_move_iterator(later_.begin()),
                                  std::make_move_iterator(due)};
    later_.erase(later_.begin(), due);
    if (auto sent = send(std::move(ready)); !sent) return sent;
    for (int i = 0; i < 10 && !interrupted; ++i) std::this_thread::sleep_for(100ms);
  }
  return done{};
}

int run(bool once, bool keep) {
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  std::signal(SIGPIPE, SIG_IGN);
  const demo_folder folder{keep};
  if (folder.path().empty()) return report({errc::io_error, "no temporary folder can be made"});
  auto node = child_node::start(folder.path());
  if (!node) return report(node.error());
  std::fprintf(stderr, "tally: a node with its data in %s is starting\n", folder.path().c_str());
  demo show{*node, once};
  auto good = show.prepare();
  if (good) good = show.backfill();
  int code = exit_ok;
  if (good && !interrupted) {
    code = show.show_first_answer();
    show.say_what_next();
    if (!once) good = show.go_on_live();
  }
  if (!good) code = report(good.error());
  std::fputs("tally: the node ends\n", stderr);
  node->stop();
  return interrupted && once ? static_cast<int>(exit_interrupted) : code;
}

}  // namespace

void add_demo(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("demo", "A node with three sample shops, in a minute");
  command->footer("Example:\n  tally demo");
  auto once = std::make_shared<bool>(false), keep = std::make_shared<bool>(false);
  command->add_flag("--once", *once, "Fill the shops, ask one question and end");
  command->add_flag("--keep", *keep, "Leave the data behind");
  command->callback([&chosen, once, keep] { chosen = [once, keep] { return run(*once, *keep); }; });
}

}  // namespace tally::apps
