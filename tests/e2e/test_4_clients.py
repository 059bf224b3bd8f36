"""Unmodified client libraries from npm, while the node is killed and restarted: each message once."""

import os
import pathlib
import platform
import random
import shutil
import subprocess
import time

from harness import ROOT, Skip, check, check_equal

SOURCE = pathlib.Path(__file__).resolve().parent / "clients"
FOLDER = ROOT / "build/e2e/clients"
NODE_VERSION = "20.20.2"
MESSAGES = 500


def npm(*words, cwd):
    if not shutil.which("npm"):
        raise Skip("npm is not installed")
    done = subprocess.run(["npm", *words, "--no-package-lock", "--no-audit", "--no-fund",
                           "--ignore-scripts", "--loglevel=error"], cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if done.returncode != 0:
        unreachable = any(word in done.stdout for word in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT",
                                                           "EAI_AGAIN", "ENETUNREACH"))
        if unreachable:
            raise Skip("the npm registry cannot be reached")
        check(False, f"npm {' '.join(words)} failed:\n{done.stdout[-2000:]}")


def javascript():
    """A node of version 20 or newer: the system's, else the one that npm packages."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], stdout=subprocess.PIPE, text=True).stdout
        if int(version.lstrip("v").split(".")[0]) >= 20:
            return found
    kind = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = ROOT / "build/e2e/node"
    binary = folder / f"node_modules/node-linux-{kind}/bin/node"
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        npm("install", f"node-linux-{kind}@{NODE_VERSION}", cwd=folder)
    return str(binary)


def installed():
    wanted = (SOURCE / "package.json").read_text()
    mark = FOLDER / "installed.json"
    if not mark.exists() or mark.read_text() != wanted:
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / "package.json", FOLDER / "package.json")
        npm("install", cwd=FOLDER)
        mark.write_text(wanted)
    for script in ("send.mjs", "foreign.mjs", "stream.mjs", "live.mjs"):
        shutil.copy(SOURCE / script, FOLDER / script)


def run_client(workspace, client):
    node_binary = javascript()
    installed()
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    log = workspace.path / "client.log"
    with open(log, "wb") as out:
        sender = subprocess.Popen([node_binary, "send.mjs", client, f"http://127.0.0.1:{node.port}", write,
                                   str(MESSAGES)], cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=out, env=dict(os.environ, NODE_NO_WARNINGS="1"))
    workspace.closers.append(lambda: (sender.kill(), sender.wait()))
    chance = random.Random(workspace.options.seed)
    for _ in range(4):
        time.sleep(0.4 + chance.random())
        node.kill()
        time.sleep(chance.random() * 0.6)
        node.start()
    counted, end = 0, time.monotonic() + 120
    while counted < MESSAGES and time.monotonic() < end:
        check(sender.poll() is None, f"the client ended:\n{log.read_text()[-2000:]}")
        counted = node.totals(read, "shop", ["events"])["events"]
        time.sleep(0.25)
    check_equal(counted, MESSAGES, f"messages counted\n{log.read_text()[-2000:]}")
    time.sleep(2)  # a retry that is still under way must not count
    check_equal(node.totals(read, "shop", ["events"])["events"], MESSAGES, "messages after the last retry")
    check_equal(sum(node.ledger(read)["rejected"].values()), 0, "rejected messages")


def test_segment_analytics_node_counts_exactly_once(workspace):
    run_client(workspace, "analytics-node")


def test_segment_analytics_next_counts_exactly_once(workspace):
    run_client(workspace, "analytics-next")


def test_rudder_sdk_node_counts_exactly_once(workspace):
    run_client(workspace, "rudder-sdk-node")
