"""The interactive console as a person at a terminal sees it."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from harness import BINARY, Failed, check, check_equal, free_port

PROMPT = "tally> "


class Terminal:
    """`tally console` on a pseudo terminal."""

    def __init__(self, workspace, node, *words):
        self.master, slave = pty.openpty()
        env = dict(node.env, TALLY_NODE=f"127.0.0.1:{node.console_port}", TERM="xterm",
                   HOME=str(workspace.path))
        self.process = subprocess.Popen(
            [str(BINARY), "console", *words], stdin=slave, stdout=slave, stderr=slave, env=env,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ""
        workspace.closers.append(self.close)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.master is not None:
            os.close(self.master)
            self.master = None

    def read(self, patience):
        """Takes what has come, at least something within `patience`; False where nothing did."""
        if not select.select([self.master], [], [], patience)[0]:
            return False
        try:
            text = os.read(self.master, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return False
        # Moves and colours are how a terminal shows it, not what it shows.
        self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        self.seen = re.sub(r"[\r\x07]", "", self.seen)
        return bool(text)

    def expect(self, text, patience=20):
        """Waits for the text and gives what came before it; both are used up."""
        end = time.monotonic() + patience
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                raise Failed(f"no {text!r} on the terminal, only {self.seen!r}")
        before, self.seen = self.seen.split(text, 1)
        return before

    def settle(self):
        """Waits until nothing more comes, as a person does who reads; gives what came and forgets it.

        Between two lines the terminal is not the editor's, and a key means something else.
        """
        while self.read(0.3):
            pass
        came, self.seen = self.seen, ""
        return came

    def type(self, text):
        os.write(self.master, text.encode())

    def ask(self, line):
        """Types a line; gives what is shown until the next prompt."""
        self.type(line + "\n")
        self.expect(line)
        return self.expect(PROMPT)

    def exit_code(self):
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        return self.process.wait(1)


def opened(workspace, node, *words):
    terminal = Terminal(workspace, node, *words)
    terminal.expect(PROMPT)
    return terminal


def test_a_session_answers_completes_and_remembers(workspace):
    node = workspace.node().start()
    node.create_merchant("shop")
    terminal = opened(workspace, node)
    check("shop" in terminal.ask("merchant list"), "a table on the terminal")
    # TAB finishes a word where only one is meant, and the session goes on after mistakes.
    terminal.type("merchant insp\t")
    terminal.expect("merchant inspect")
    check("open_visits" in terminal.ask(" shop"), "the completed command runs")
    terminal.type("me\t\t")
    shown = terminal.expect("merchants")
    check("merchant" in shown + "merchants", f"choices: {shown!r}")
    terminal.type("\x15")  # takes the line away
    terminal.ask("status")
    for wrong, why in (("nonsense", "unknown command 'nonsense'"), ("merchant show nobody", "nobody"),
                       ('merchant show "shop', 'an open "')):
        check(why in terminal.ask(wrong), f"{wrong} is told")
    terminal.ask("   ")
    check("ready" in terminal.ask("status"), "still there")
    terminal.type("exit\n")
    check_equal(terminal.exit_code(), 0, "exit code of exit")

    history = workspace.path / "xdg/tally/history"
    check_equal(history.stat().st_mode & 0o777, 0o600, "only the user reads the history")
    again = opened(workspace, node)
    again.type("\x1b[A\x1b[A")  # up: exit is no history, so this is the second last command
    again.expect('merchant show "shop')
    again.type("\x15")
    again.type("\x04")
    check_equal(again.exit_code(), 0, "exit code of Ctrl-D")


def test_a_node_that_ends_while_a_command_runs_is_told_at_once(workspace):
    node = workspace.node().start()
    node.create_merchant("shop")
    terminal = opened(workspace, node)
    check("ready" in terminal.ask("status"), "an answer")
    # A node that stands still is one that works long.
    node.process.send_signal(signal.SIGSTOP)
    terminal.type("rebuild shop\n")
    check(not terminal.read(0.5) or PROMPT not in terminal.seen, "the command is waited for")
    node.kill()
    started = time.monotonic()
    said = terminal.expect(PROMPT)
    check("unavailable: the node is gone" in said, f"a lost node is told: {said!r}")
    check(time.monotonic() - started < 5, "and soon")
    check("unavailable: the node" in terminal.ask("shards"), "later commands tell it too")
    check("shards" in (workspace.path / "xdg/tally/history").read_text(), "what was typed is kept")


def test_ctrl_c_gives_up_a_line_or_a_wait_but_not_the_session(workspace):
    node = workspace.node().start()
    node.create_merchant("shop")
    terminal = opened(workspace, node)
    for _ in range(3):
        terminal.settle()
        terminal.type("merchant delete shop")
        terminal.expect("merchant delete shop")
        terminal.type("\x03")
        terminal.expect(PROMPT)
    terminal.settle()
    check("ready" in terminal.ask("status"), "an empty line to type on")
    check("merchant delete" not in (workspace.path / "xdg/tally/history").read_text(), "no history")
    terminal.settle()
    node.process.send_signal(signal.SIGSTOP)
    terminal.type("rebuild shop\n")
    check(PROMPT not in terminal.settle(), "the command is waited for")
    terminal.type("\x03")
    said = terminal.expect(PROMPT)
    check("not waited for" in said, f"what became of it: {said!r}")
    node.process.send_signal(signal.SIGCONT)
    terminal.settle()
    check("ready" in terminal.ask("status"), "the session goes on")
    terminal.settle()
    terminal.type("\x04")
    check_equal(terminal.exit_code(), 0, "exit code of Ctrl-D")


def test_one_shot_and_piped_commands_have_exit_codes(workspace):
    node = workspace.node().start()
    node.create_merchant("shop")
    for line, code in (("merchant show shop", 0), ("merchant show nobody", 3), ("nonsense", 2),
                       ('an "open quote', 2)):
        node.cli("console", "-c", line, expect=code)
    said = node.cli("console", "-o", "json", stdin="merchant list\n\nmerchant show shop\n")
    check_equal(said.count('"shop"'), 2, f"answers of a script: {said}")
    said = node.cli("console", "-o", "json", stdin="merchant show nobody\nmerchant list\n", expect=3)
    check_equal(said, "", "a script ends at its first failure")
    node.env["TALLY_NODE"] = ""
    for flags, code in ((["--node", f"127.0.0.1:{free_port()}"], 5), (["--token-file", "/nowhere"], 3)):
        node.cli("console", "-c", "status", *flags, expect=code)
    wrong = workspace.path / "token"
    wrong.write_text("0" * 64 + "\n")
    wrong.chmod(0o600)
    node.cli("console", "-c", "status", "--token-file", str(wrong), expect=4)


def test_a_terminal_that_goes_away_ends_the_session(workspace):
    node = workspace.node().start()
    terminal = opened(workspace, node)
    terminal.ask("status")
    os.close(terminal.master)
    terminal.master = None
    try:
        code = terminal.process.wait(20)
    except subprocess.TimeoutExpired:
        raise Failed("the console runs on without a terminal") from None
    check(code in (0, -signal.SIGHUP), f"exit code {code}")
