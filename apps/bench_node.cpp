#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "apps/bench.hpp"
#include "config/token_file.hpp"

namespace tally::apps {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using clock = std::chrono::steady_clock;

constexpr auto start_limit = 120s;
constexpr auto answer_limit = 120s;

double seconds_since(clock::time_point from) {
  return std::chrono::duration<double>(clock::now() - from).count();
}

}  // namespace

result<std::unique_ptr<bench_node>> bench_node::start(const std::string& folder) {
  std::unique_ptr<bench_node> node{new bench_node};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return failure{errc::io_error, folder + ": " + error.message()};
  node->folder_ = folder;
  if (auto started = node->restart(false); !started) return started.error();
  const auto made = node->run({"key", "create", "--scope", "platform", "--label", "bench"});
  if (!made) return made.error();
  node->key_ = made->value("key", "");
  return node;
}

result<double> bench_node::restart(bool kill) {
  console_.reset();
  if (node_ && kill) node_->kill();
  node_.reset();
  const auto from = clock::now();
  auto started = child_node::start(folder_);
  if (!started) return started.error();
  node_ = std::make_unique<child_node>(std::move(*started));
  if (auto connected = connect(); !connected) return connected.error();
  return seconds_since(from);
}

status bench_node::connect() {
  const auto from = clock::now();
  while (clock::now() - from < start_limit) {
    if (!node_->is_running())
      return failure{errc::unavailable, "the node ended; see " + folder_ + "/node.log"};
    if (const auto token = config::read_token(config::token_path(node_->console_port()))) {
      auto client = actors::console_client::connect(node_->console(), *token, answer_limit);
      if (client) {
        console_ = std::move(*client);
        if (const auto status = run({"status"}); status && status->value("state", "") == "ready")
          return done{};
      }
    }
    std::this_thread::sleep_for(5ms);
  }
  return failure{errc::unavailable, "the node does not become ready"};
}

result<json> bench_node::run(const std::vector<std::string>& words) {
  const auto reply = console_->run(words);
  if (!reply) return reply.error();
  return json::parse(*reply, nullptr, false);
}

std::uint64_t bench_node::resident_bytes() const {
  std::ifstream file{"/proc/" + std::to_string(node_->pid()) + "/statm"};
  std::uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double bench_node::cpu_seconds() const {
  std::ifstream file{"/proc/" + std::to_string(node_->pid()) + "/stat"};
  std::string text;
  std::getline(file, text);
  std::istringstream fields{text.substr(text.rfind(')') + 1)};
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::uint64_t user = 0, system = 0;
  fields >> user >> system;
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace tally::apps
