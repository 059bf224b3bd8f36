"""A cluster on this machine, as someone trying it out starts and ends it."""

import json
import os
import shutil
import subprocess
import time

from harness import BINARY, Skip, check, check_equal


def tally(*words, patience=150):
    done = subprocess.run([str(BINARY), *words], capture_output=True, text=True, timeout=patience)
    return done.returncode, done.stdout, done.stderr


def runs(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read() != b""  # empty: it ended, and nobody has taken notice yet
    except FileNotFoundError:
        return False


def test_starts_what_does_not_run_and_ends_only_its_own(workspace):
    if shutil.which("etcd") is None:
        raise Skip("etcd is not installed")
    folder = str(workspace.path / "cluster")
    workspace.closers.append(lambda: tally("cluster", "stop-local", "--dir", folder))
    code, out, err = tally("cluster", "start-local", "2", "--dir", folder, "-o", "json")
    check_equal(code, 0, f"start-local: {err}")
    first = json.loads(out)
    check_equal(len(first["nodes"]), 2, "nodes")
    pids = [node["pid"] for node in first["nodes"]] + [first["etcd"][0]["pid"]]
    check(all(runs(pid) for pid in pids), f"all of {pids} run")

    # Again changes nothing; a killed one comes back at the same ports.
    code, out, err = tally("cluster", "start-local", "2", "--dir", folder, "-o", "json")
    check_equal(json.loads(out), first, f"started twice: {err}")
    os.kill(pids[0], 9)
    while runs(pids[0]):
        time.sleep(0.05)
    code, out, err = tally("cluster", "start-local", "2", "--dir", folder, "-o", "json")
    check_equal(code, 0, f"start-local after a kill: {err}")
    again = json.loads(out)
    check(again["nodes"][0]["pid"] != pids[0], "a new process")
    check_equal(again["nodes"][0]["http"], first["nodes"][0]["http"], "the same port")
    check_equal(again["nodes"][1], first["nodes"][1], "the other one was left alone")

    # A pid that means another process by now is not ended.
    stranger = subprocess.Popen(["sleep", "600"])
    workspace.closers.append(stranger.kill)
    path = workspace.path / "cluster" / "local.json"
    state = json.loads(path.read_text())
    lost = state["nodes"][1]["pid"]
    state["nodes"][1]["pid"] = stranger.pid
    path.write_text(json.dumps(state))
    code, out, err = tally("cluster", "stop-local", "--dir", folder, "-o", "json")
    check_equal(code, 0, f"stop-local: {err}")
    check(stranger.poll() is None, "a stranger's process was left alone")
    check(not runs(again["nodes"][0]["pid"]) and not runs(pids[2]), "its own ended")
    check(runs(lost), "what the file does not name goes on")
    os.kill(lost, 15)
    check(all(node["pid"] == 0 for node in json.loads(out)["nodes"]), "none is left")


def test_says_which_package_is_missing(workspace):
    if os.path.exists("/usr/bin/etcd") or os.path.exists("/usr/local/bin/etcd"):
        raise Skip("etcd is installed where it is always looked for")
    folder = str(workspace.path / "cluster")
    code, _, err = tally("cluster", "start-local", "1", "--dir", folder)
    check_equal(code, 3, "exit code")
    check("etcd-server" in err, err)


def test_refuses_what_makes_no_sense(workspace):
    code, _, err = tally("cluster", "start-local", "0", "--dir", str(workspace.path / "c"))
    check_equal(code, 2, f"no nodes: {err}")
    code, _, err = tally("cluster", "start-local", "1")
    check_equal(code, 2, f"no folder: {err}")
    (workspace.path / "c").mkdir()
    (workspace.path / "c" / "local.json").write_text("{}")
    code, _, err = tally("cluster", "stop-local", "--dir", str(workspace.path / "c"))
    check(code != 0 and "local.json" in err, f"a broken file is named: {err}")
