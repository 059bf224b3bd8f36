"""Drain, backup and restore, rebuild."""

import json
import shutil
import signal
import subprocess
import threading
import time

from harness import BINARY, ROOT, Node, check, check_equal, verify
from test_1_main_job import sample_events


def load(node, write, merchants=1, events=2_000):
    for start in range(0, events, 500):
        node.send_all(write, [
            {"id": f"e-{i}", "at": 1_290_000_000_000 + i * 7_000, "name": ("page_view", "add_to_cart",
             "checkout", "odd name")[i % 4], "visitor": f"v{i % 97}"} for i in range(start, start + 500)])


def test_sigterm_finishes_what_was_accepted_and_exits_0(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    stop, acknowledged, other = threading.Event(), [], []

    def sender(number):
        n = 0
        while not stop.is_set():
            try:
                answer = node.send(write, [{"id": f"{number}-{n}-{i}", "name": "page_view"}
                                           for i in range(20)])
            except OSError:
                return
            if answer.status in (200, 202):
                acknowledged.append(20)
            elif answer.status != 503:
                other.append(answer.status)
            n += 1

    threads = [threading.Thread(target=sender, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    time.sleep(0.7)
    code = node.terminate()
    stop.set()
    for t in threads:
        t.join(30)
    check_equal((code, other), (0, []), "exit code of a drain, statuses other than 200, 202 and 503")
    check(sum(acknowledged) > 0, "nothing was sent")
    verify(node.data_dir)
    node.start()
    counted = node.totals(read, "shop", ["events"])["events"]
    check(counted >= sum(acknowledged), f"{sum(acknowledged)} acknowledged, {counted} counted")
    check(counted <= sum(acknowledged) + 80, f"{sum(acknowledged)} acknowledged, {counted} counted")


def test_a_rebuild_gives_the_same_bytes(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    node.send_all(write, sample_events())
    load(node, write)
    metrics = ["events", "visitors", "visits", "orders", "net_sales"]
    before = node.totals(read, "shop", metrics)
    said = json.loads(node.cli("console", "-c", "rebuild shop", "-o", "json"))
    check_equal(said.get("equal"), True, f"rebuild says the hash is equal: {said}")
    check_equal(node.totals(read, "shop", metrics), before, "answer after the rebuild")
    node.kill()
    # The state database is worth nothing by itself: without it the node counts again.
    shutil.rmtree(node.data_dir / "state")
    node.start()
    check_equal(node.totals(read, "shop", metrics), before, "answer without the state database")


def test_a_backup_restores_to_the_same_answers(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    node.send_all(write, sample_events())
    load(node, write)
    metrics = ["events", "visitors", "visits", "orders", "net_sales"]
    before = node.totals(read, "shop", metrics)
    backup, target = workspace.path / "backup", workspace.path / "restored"
    node.cli("backup", str(backup))
    node.send_all(write, {"id": "after", "name": "page_view", "at": "2010-12-05T00:00:00Z"})
    node.kill()
    node.cli("restore", str(backup), "--data-dir", str(target))
    verify(target)
    restored = workspace.node("restored", data_dir=target).start()
    check_equal(restored.totals(read, "shop", metrics), before, "answer of the restored node")
    receipt = restored.send_all(write, sample_events())
    check_equal((receipt["accepted"], receipt["duplicate"]), (0, 5), "ids are restored too")


def test_verify_names_damage(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    load(node, write)
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)
    victim = max((node.data_dir / "journal").glob("*.log"), key=lambda p: p.stat().st_size, default=None)
    files = list((node.data_dir / "journal").glob("*.sst")) + ([victim] if victim else [])
    victim = max(files, key=lambda p: p.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0x10
    victim.write_bytes(content)
    node.cli("verify", str(node.data_dir), expect=1)


def test_only_one_process_opens_a_directory(workspace):
    node = workspace.node().start()
    second = Node(workspace, "second", data_dir=node.data_dir)
    workspace.nodes.append(second)
    second.launch()
    code = second.process.wait(30)
    check(code != 0, "a second node on the same directory must refuse to start")
    check("locked" in second.tail(), f"it says why:\n{second.tail()}")
    check(node.alive() and node.ready(), "the first node goes on")


def test_every_setting_stands_in_the_reference(workspace):
    node = workspace.node()
    settings = json.loads(node.cli("config", "dump", "-o", "json"))
    page = (ROOT / "docs/reference/settings.md").read_text()
    missing = [name for name in settings if f"| `{name}` |" not in page]
    check_equal(missing, [], "settings that docs/reference/settings.md does not name")


def test_embedded_tokens_read_and_end(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    node.create_merchant("other")
    node.send_all(write, {"id": "1", "name": "page_view"})
    made = json.loads(node.cli("token", "create", "--merchant", "shop", "--ttl", "2", "-o", "json"))
    check_equal(node.totals(made["token"], "shop", ["events"]), {"events": 1}, "answer to the token")
    check_equal(node.send(made["token"], {"id": "2", "name": "page_view"}).status, 403, "token for writing")
    question = json.dumps({"site_id": "other", "metrics": ["events"], "date_range": "all"})
    answer = node.request("POST", "/api/v2/query", question, {"Authorization": f"Bearer {made['token']}"})
    check_equal(answer.status, 403, "token for another merchant")
    time.sleep(3)
    question = question.replace("other", "shop")
    answer = node.request("POST", "/api/v2/query", question, {"Authorization": f"Bearer {made['token']}"})
    check_equal(answer.status, 401, "token after its end")


def test_a_refused_event_can_be_sent_again(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    soon = int(time.time() * 1000) + 3_600_000 + 2_000  # over the hour that is allowed ahead
    answer = node.send(write, [{"id": "ahead", "at": soon, "name": "page_view"}])
    check_equal([r["code"] for r in answer.json()["rejected"]], ["at_in_future"], "refused at first")
    time.sleep(2.5)
    again = json.loads(node.cli("rejects", "retry", "shop", "-o", "json"))
    check_equal((again["accepted"], again["rejected"]), (1, 0), "taken the second time")
    again = json.loads(node.cli("rejects", "retry", "shop", "-o", "json"))
    check_equal((again["accepted"], again["duplicate"]), (0, 1), "counted once")


def test_the_bench_measures_and_checks_itself(workspace):
    folder = workspace.path / "bench"
    folder.mkdir()
    run = subprocess.run([BINARY, "bench", "run", "--quick", "--only", "ingest,questions,recovery",
                          "--folder", folder, "-o", "json"], capture_output=True, text=True,
                         timeout=120)
    check_equal(run.returncode, 0, run.stderr)
    figures = json.loads(run.stdout)["figures"]
    check(len(figures) >= 7, f"figures: {[f['what'] for f in figures]}")
    check(all(f["value"] > 0 for f in figures), "a figure is zero")
    check_equal(list(folder.iterdir()), [], "what the bench leaves behind")
