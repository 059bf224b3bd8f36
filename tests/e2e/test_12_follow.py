"""`tally import --follow`: a log that grows and is rotated while node and importer are killed at random."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time

from harness import BINARY, check, check_equal, verify


class Writer(threading.Thread):
    """A web server and its logrotate: appends lines, some in halves, and rotates in all ways."""

    def __init__(self, log, seed):
        super().__init__(daemon=True)
        self.log, self.random, self.lines, self.rotations = log, random.Random(seed), 0, 0
        self.stop = threading.Event()
        log.touch()

    def run(self):
        while not self.stop.is_set():
            for _ in range(self.random.randrange(1, 200)):
                self.append()
            if self.random.random() < 0.25:
                self.rotate()
            time.sleep(self.random.random() * 0.1)

    def append(self):
        # Few addresses and paths, so that a second holds many equal lines.
        second = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(1_290_000_000 + self.lines // 50))
        line = (f'10.0.0.{self.random.randrange(3)} - - [{second}] "GET /{self.random.randrange(4)} HTTP/1.1" '
                f'200 77 "-" "agent"\n')
        cut = self.random.randrange(len(line)) if self.random.random() < 0.05 else 0
        with open(self.log, "a") as out:
            out.write(line[:cut])
            out.flush()
            if cut:
                time.sleep(0.002)
            out.write(line[cut:])
        self.lines += 1

    def rotate(self):
        self.rotations += 1
        for n in range(30, 0, -1):
            for end in ("", ".gz"):
                old = self.log.with_name(f"{self.log.name}.{n}{end}")
                if old.exists():
                    old.rename(self.log.with_name(f"{self.log.name}.{n + 1}{end}"))
        first = self.log.with_name(self.log.name + ".1")
        if self.random.random() < 0.5:
            self.log.rename(first)
            self.log.touch()
        else:
            shutil.copyfile(self.log, first)
            os.truncate(self.log, 0)
        second = self.log.with_name(self.log.name + ".2")
        if second.exists():
            about = second.stat()
            packed = self.log.with_name(self.log.name + ".2.gz")
            packed.write_bytes(gzip.compress(second.read_bytes()))
            os.utime(packed, ns=(about.st_atime_ns, about.st_mtime_ns))
            second.unlink()


class Importer:
    def __init__(self, workspace, node, log):
        self.node, self.out = node, workspace.path / "importer.log"
        self.words = ["import", "--merchant", "site", "--format", "combined", "--site", "https://s.example",
                      "--follow", "-o", "json", str(log)]
        self.process = None

    def start(self):
        with open(self.out, "ab") as out:
            self.process = subprocess.Popen(
                [str(BINARY), *self.words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out,
                env=dict(self.node.env, TALLY_NODE=f"127.0.0.1:{self.node.console_port}"))

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.communicate()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        check_equal(self.process.returncode, 0, f"exit code after SIGTERM\n{self.tail()}")
        return json.loads(out)

    def tail(self):
        return self.out.read_text(errors="replace")[-2000:]


def wait_for(node, read, count, importer, patience=60):
    end = time.monotonic() + patience
    while True:
        counted = node.totals(read, "site", ["events"])["events"]
        if counted == count:
            return
        check(counted < count, f"{counted} counted, {count} written\n{importer.tail()}")
        check(time.monotonic() < end, f"{counted} of {count} lines counted\n{importer.tail()}")
        check_equal(importer.process.poll(), None, f"exit code of the importer\n{importer.tail()}")
        time.sleep(0.1)


def test_every_line_counts_once_over_rotations_and_kills(workspace):
    chance = random.Random(workspace.options.seed)
    node = workspace.node(flags=["--engine-flush-interval", "1s"]).start()
    _, read = node.create_merchant("site")
    log = workspace.path / "logs" / "access.log"
    log.parent.mkdir()
    writer = Writer(log, workspace.options.seed)
    importer = Importer(workspace, node, log)
    workspace.closers.append(importer.kill)
    importer.start()
    # Counting begins with the first file: nothing may be rotated away before that.
    writer.append()
    wait_for(node, read, 1, importer)
    writer.start()
    for _ in range(workspace.options.kills):
        time.sleep(chance.random() * 0.8)
        what = chance.randrange(4)
        if what in (0, 2):
            importer.kill()
        if what in (1, 2):
            node.kill()
            time.sleep(chance.random() * 0.5)
        if what == 3:
            importer.terminate()
        if not node.alive():
            node.start()
        if importer.process.poll() is not None:
            time.sleep(chance.random() * 0.5)
            importer.start()
    writer.stop.set()
    writer.join(60)
    check(writer.rotations > 5, f"only {writer.rotations} rotations: the test tests little")
    wait_for(node, read, writer.lines, importer)
    importer.terminate()
    importer.start()
    writer.append()
    wait_for(node, read, writer.lines, importer)
    summary = importer.terminate()
    check_equal((summary["accepted"], summary["refused"]), (1, []), "the last run's line")
    # Without the state the log is read once more, and all of it is known.
    state = log.parent / "access.log.tally"
    state.unlink()
    importer.start()
    end = time.monotonic() + 30
    while not state.exists() or str(log) not in (logs := json.loads(state.read_text())["logs"]) \
            or logs[str(log)]["bytes"] < log.stat().st_size:
        check(time.monotonic() < end, f"the log was not read again\n{importer.tail()}")
        time.sleep(0.05)
    check_equal(importer.terminate()["accepted"], 0, "accepted without the state file")
    check_equal(node.totals(read, "site", ["events"])["events"], writer.lines, "counted at the end")
    keys = [k for k in json.loads(node.cli("key", "list", "-o", "json"))["keys"] if k["label"] == "import"]
    check(len(keys) <= workspace.options.kills, f"{len(keys)} keys of imports are left")
    node.kill()
    verify(node.data_dir)


def test_follow_waits_for_a_node_and_refuses_what_does_not_fit(workspace):
    node = workspace.node().start()
    _, read = node.create_merchant("site")
    log = workspace.path / "access.log"
    importer = Importer(workspace, node, log)
    workspace.closers.append(importer.kill)
    node.kill()
    importer.start()
    log.write_text('1.2.3.4 - - [17/Nov/2010:13:20:00 +0000] "GET / HTTP/1.1" 200 7 "-" "a"\n')
    time.sleep(0.3)
    check_equal(importer.process.poll(), None, f"exit code without a node\n{importer.tail()}")
    node.start()
    wait_for(node, read, 1, importer)
    follow = ["import", "--merchant", "site", "--format", "combined", "--follow"]
    node.cli(*follow, str(log), expect=1)
    check("another import follows" in node.last_stderr, node.last_stderr)
    importer.terminate()
    node.cli(*follow, "-", expect=2)
    node.cli(*follow, "--resume", "x", str(log), expect=2)
    node.cli("import", "--merchant", "site", "--format", "combined", "--state", "x", str(log), expect=2)
    node.cli("import", "--merchant", "site", "--format", "ndjson", "--follow", str(log), expect=1)
    check("the state file is about" in node.last_stderr, node.last_stderr)
