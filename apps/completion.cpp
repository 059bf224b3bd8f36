#include <cstdio>

#include "apps/commands.hpp"

namespace tally::apps {

namespace {

/// Words that may follow a command path such as "merchant create".
struct choices {
  std::string path;
  std::vector<std::pair<std::string, std::string>> commands;  // with what they do
  std::vector<std::pair<std::string, std::string>> flags;
};

void collect(const CLI::App& command, const std::string& path, std::vector<choices>& into) {
  choices here{path, {}, {}};
  const auto commands = command.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* sub : commands) {
    here.commands.emplace_back(sub->get_name(), sub->get_description());
  }
  for (const auto* option : command.get_options()) {
    if (!option->get_lnames().empty()) {
      here.flags.emplace_back("--" + option->get_lnames().front(), option->get_description());
    }
  }
  into.push_back(std::move(here));
  for (const auto* sub : commands) {
    collect(*sub, path + (path.empty() ? "" : " ") + sub->get_name(), into);
  }
}

std::string words_of(const choices& c) {
  std::string words;
  for (const auto& [name, _] : c.commands) words += (words.empty() ? "" : " ") + name;
  for (const auto& [name, _] : c.flags) words += (words.empty() ? "" : " ") + name;
  return words;
}

/// bash and zsh differ in how they hand over words and take answers, not in how the path is found.
std::string posix_cases(const std::vector<choices>& all) {
  std::string names, cases;
  for (const auto& c : all) {
    if (!c.path.empty()) names += "|\"" + c.path + "\"";
    cases += "    \"" + c.path + "\") candidates=\"" + words_of(c) + "\" ;;\n";
  }
  return "    case \"${chain:+$chain }$word\" in\n      " + names.substr(1) +
         ") chain=\"${chain:+$chain }$word\" ;;\n    esac\n  done\n  case \"$chain\" in\n" + cases +
         "  esac\n";
}

std::string bash(const std::vector<choices>& all) {
  return "_tally() {\n"
         "  local chain= candidates= word current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n" +
         posix_cases(all) +
         "  COMPREPLY=($(compgen -W \"$candidates\" -- \"$current\"))\n"
         "  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$current\"))\n}\n"
         "complete -F _tally tally\n";
}

std::string zsh(const std::vector<choices>& all) {
  return "#compdef tally\n_tally() {\n  local chain= candidates= word\n"
         "  for word in ${words[2,CURRENT-1]}; do\n" +
         posix_cases(all) + "  compadd -- ${=candidates} || _files\n}\ncompdef _tally tally\n";
}

std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string{"\\'"} : std::string{c};
  return out + "'";
}

std::string fish(const std::vector<choices>& all) {
  std::string out;
  for (const auto& c : all) {
    std::string when = "__fish_use_subcommand";
    std::string others;
    for (const auto& [name, _] : c.commands) others += " " + name;
    if (!c.path.empty()) {
      when.clear();
      for (std::size_t at = 0; at < c.path.size();) {
        const auto end = std::min(c.path.find(' ', at), c.path.size());
        when += (when.empty() ? "" : "; and ") +
                ("__fish_seen_subcommand_from " + c.path.substr(at, end - at));
        at = end + 1;
      }
    }
    const auto unchosen = c.path.empty() || others.empty()
                              ? when
                              : when + "; and not __fish_seen_subcommand_from" + others;
    for (const auto& [name, doc] : c.commands) {
      out += "complete -c tally -f -n " + single_quoted(unchosen) + " -a " + name + " -d " +
             single_quoted(doc) + "\n";
    }
    for (const auto& [name, doc] : c.flags) {
      out += "complete -c tally -n " + single_quoted(when) + " -l " + name.substr(2) + " -d " +
             single_quoted(doc) + "\n";
    }
  }
  return out;
}

}  // namespace

void add_completion(CLI::App& root, action& chosen) {
  auto* command = root.add_subcommand("completion", "Print a completion script for a shell");
  command->footer("Example: tally completion bash > /etc/bash_completion.d/tally");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&root, &chosen, shell] {
    chosen = [&root, shell] {
      std::vector<choices> all;
      collect(root, "", all);
      const auto script = *shell == "bash" ? bash(all) : *shell == "zsh" ? zsh(all) : fish(all);
      std::fputs(script.c_str(), stdout);
      return exit_ok;
    };
  });
}

}  // namespace tally::apps
