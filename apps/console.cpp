#include <editline/readline.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/console_words.hpp"
#include "apps/client.hpp"

namespace tally::apps {

namespace {

constexpr int history_lines = 1'000;

/// Commands to complete: libedit's callbacks take no argument of ours.
std::vector<std::string>& completions() {
  static std::vector<std::string> names;
  return names;
}

/// Gives the words that may stand here, one a call.
char* next_completion(const char* text, int state) {
  static std::vector<std::string> words;
  static std::size_t at = 0;
  if (state == 0) {
    const std::string line{rl_line_buffer, static_cast<std::size_t>(rl_point)};
    words = api::words_that_follow(completions(), line);
    at = 0;
  }
  const std::string_view typed{text};
  while (at < words.size()) {
    const auto& word = words[at++];
    if (word.starts_with(typed)) return ::strdup(word.c_str());
  }
  return nullptr;
}

char** complete(const char* text, int, int) {
  rl_attempted_completion_over = 1;
  return rl_completion_matches(text, next_completion);
}

std::string history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder = state != nullptr && *state != 0 ? state : "";
  if (folder.empty()) folder = std::string{home != nullptr ? home : "/tmp"} + "/.local/state";
  std::error_code ignored;
  std::filesystem::create_directories(folder + "/tally", ignored);
  return folder + "/tally/history";
}

void learn_commands(actors::console_client& client) {
  const auto help = client.run({"help"});
  if (!help) return;
  const auto reply = nlohmann::json::parse(*help, nullptr, false);
  if (!reply.is_object()) return;
  for (const auto& one : reply.value("commands", nlohmann::json::array())) {
    completions().push_back(one.value("command", ""));
  }
  for (const auto* own : {"help", "exit"}) completions().emplace_back(own);
}

/// Ctrl-C was pressed.
std::atomic<bool> interrupted{false};

void interrupt(int) {
  interrupted = true;
}

/// Ctrl-C while a line is typed: ends the editing, as Ctrl-D on an empty line does.
int leave_line(int, int) {
  interrupted = true;
  rl_done = 1;
  return 0;
}

/// Ctrl-C gives the typed line up, or the waiting for an answer; only Ctrl-D ends the session.
void take_interrupts() {
  rl_initialize();
  // While a line is typed Ctrl-C is a key like any other.
  rl_parse_and_bind("setty -d intr=");
  rl_add_defun("tally-leave-line", leave_line, 'C' & 0x1f);
  struct sigaction noted {};
  noted.sa_handler = interrupt;
  ::sigaction(SIGINT, &noted, nullptr);
}

/// Runs one typed line. A failure is told and the session goes on.
int run_line(actors::console_client& client, const std::string& line, const std::string& output) {
  const auto words = api::console_words(line);
  if (!words) return report(words.error());
  if (words->empty()) return exit_ok;
  const auto whole = with_file_texts(*words);
  if (!whole) return report(whole.error());
  interrupted = false;
  const auto reply = client.run(*whole, [] { return interrupted.load(); });
  return reply ? show_reply(*reply, output) : report(reply.error());
}

int session(actors::console_client& client, const std::string& output) {
  const auto history = history_path();
  learn_commands(client);
  rl_readline_name = const_cast<char*>("tally");
  rl_attempted_completion_function = complete;
  take_interrupts();
  using_history();
  stifle_history(history_lines);
  read_history(history.c_str());
  while (true) {
    interrupted = false;
    char* typed = readline("tally> ");
    if (interrupted) {
      std::free(typed);
      std::puts("^C");
      continue;
    }
    if (typed == nullptr) break;
    const std::string line{typed};
    std::free(typed);
    if (line == "exit" || line == "quit") break;
    if (line.find_first_not_of(' ') == std::string::npos) continue;
    add_history(line.c_str());
    // Each time: a lost terminal ends the process here.
    write_history(history.c_str());
    ::chmod(history.c_str(), 0600);
    run_line(client, line, output);
  }
  return exit_ok;
}

/// Commands from a pipe: one a line, the first failure ends it.
int script(actors::console_client& client, const std::string& output) {
  std::string line;
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    const auto code = run_line(client, line, output);
    if (code != exit_ok) return code;
    line.clear();
  }
  return run_line(client, line, output);
}

/// Connects so that signals reach this thread alone: the line editor's handlers put the terminal
/// back, and must not run on a thread of the actor system.
result<std::unique_ptr<actors::console_client>> connect_apart_from_signals(
    const client_flags& flags) {
  sigset_t ours, before;
  sigemptyset(&ours);
  for (const int one : {SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH, SIGALRM})
    sigaddset(&ours, one);
  pthread_sigmask(SIG_BLOCK, &ours, &before);
  auto client = flags.connect();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return client;
}

}  // namespace

void add_console(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("console", "Talk to a node: commands with history and TAB");
  command->footer(
      "Examples:\n  tally console\n  tally console -c \"merchant inspect shop\" -o json");
  auto once = std::make_shared<std::string>();
  command->add_option("-c,--command", *once, "Run one command and end");
  command->callback([&chosen, once, flags = client_flags{*command}] {
    chosen = [once, flags] {
      const auto client = connect_apart_from_signals(flags);
      if (!client) return report(client.error());
      if (!once->empty()) return run_line(**client, *once, flags.output());
      return ::isatty(STDIN_FILENO) != 0 ? session(**client, flags.output())
                                         : script(**client, flags.output());
    };
  });
}

}  // namespace tally::apps
