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


def test_a_drain_from_the_console_ends_the_node_as_sigterm_does(workspace):
    node = workspace.node(flags=["--node-drain-delay", "1500ms"]).start()
    write, read = node.create_merchant("shop")
    node.send_all(write, {"id": "1", "name": "page_view"})
    check_equal(json.loads(node.cli("console", "-c", "drain", "-o", "json")), {"state": "draining"}, "answer")
    answer = node.request("GET", "/readyz", port=node.admin_port)
    check_equal((answer.status, answer.body), (503, b"draining\n"), "readiness at once")
    check_equal(json.loads(node.cli("status", "-o", "json"))["state"], "draining", "status")
    # For a while it still serves, so that proxies can notice. A repeat is no second signal.
    node.cli("console", "-c", "drain")
    node.send_all(write, {"id": "2", "name": "page_view"})
    check_equal(node.process.wait(60), 0, "exit code")
    check("node_stopped answered=true saved=true" in node.log.read_text(), node.tail())
    verify(node.data_dir)
    node.start()
    check_equal(node.totals(read, "shop", ["events"]), {"events": 2}, "what was accepted")
    check_equal(json.loads(node.cli("audit", "-o", "json"))["actions"][-1]["action"], "drain", "audit")


def test_platform_keys_create_merchants_or_not(workspace):
    node = workspace.node(flags=["--node-default-zone", "Asia/Tokyo"]).start()
    node.create_merchant("old")

    def make(*words):
        return json.loads(node.cli("key", "create", "--scope", "platform", *words, "-o", "json"))

    def send(key, *merchants, **more):
        return node.send(key, [{"id": f"{m}-{i}", "name": "page_view", "merchant": m, **more}
                               for i, m in enumerate(merchants)])

    may, may_not = make(), make("--no-create", "--label", "strict")
    check_equal((may["may_create"], may_not["may_create"]), (True, False), "what the keys may")
    node.cli("key", "create", "--scope", "read", "--merchant", "old", "--no-create", expect=2)
    may, may_not = may["key"], may_not["key"]

    receipt = send(may_not, "new", "old", "new", "old").json()
    check_equal((receipt["accepted"], [(r["index"], r["code"]) for r in receipt["rejected"]]),
                (2, [(0, "unknown_merchant"), (2, "unknown_merchant")]), "a key that may not create")
    for path, body in (("/v1/merchant?merchant=new", None), ("/api/v2/query", json.dumps(
            {"site_id": "new", "metrics": ["events"], "date_range": "all"}))):
        answer = node.request("POST" if body else "GET", path, body, {"Authorization": f"Bearer {may}"})
        check_equal((answer.status, answer.json()["code"]), (404, "unknown_merchant"), path)
    # What is refused anyway makes no merchant.
    check_equal(send(may, "new", at="soon").json()["rejected"][0]["code"], "bad_at", "a bad event")
    names = [m["merchant"] for m in json.loads(node.cli("merchant", "list", "-o", "json"))["merchants"]]
    check_equal(names, ["old"], "nobody was created")

    check_equal(send(may, "new", "newer", "old").json()["accepted"], 3, "a key that may create")
    shown = json.loads(node.cli("merchant", "show", "new", "-o", "json"))
    check_equal((shown["timezone"], shown["currency"], shown["ledger"]["accepted"]),
                ("Asia/Tokyo", "USD", 1), "default settings")
    names = [m["merchant"] for m in json.loads(node.cli("merchant", "list", "-o", "json"))["merchants"]]
    check_equal(sorted(names), ["new", "newer", "old"], "merchant list")
    check_equal(send(may_not, "new").json()["duplicate"], 1, "known by now")
    node.kill()
    verify(node.data_dir)
    node.start()
    check_equal(send(may_not, "newer").json()["accepted"], 1, "known after a restart")
    node.cli("merchant", "delete", "newer")
    check_equal(send(may_not, "newer").json()["rejected"][0]["code"], "unknown_merchant", "deleted")


def hang_up(node, word):
    """SIGHUP; waits for a new line with the word in the log and gives it."""
    def found():
        return [line for line in node.log.read_text().splitlines() if word in line]
    before = len(found())
    node.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while len(found()) == before:
        check(time.monotonic() < end, f"no '{word}' in the log:\n{node.tail()}")
        time.sleep(0.01)
    return found()[-1]


def test_sighup_reloads_keys_limits_and_the_log_level(workspace):
    path = workspace.path / "tally.toml"
    path.write_text("")
    node = workspace.node(flags=["--config", str(path)]).start()
    write, read = node.create_merchant("shop")
    big = {"id": "big", "name": "page_view", "props": {"text": "x" * 5_000}}
    check_equal(node.send(write, big).status, 200, "before")
    path.write_text("""[http]
body_bytes_max = "2KiB"
threads = 7
[events]
event_bytes_max = "1KiB"
[limits]
read_queries_per_s = 1
[log]
level = "warn"
""")
    warned = hang_up(node, "settings_need_restart")
    check(warned.endswith("names=http.threads"), f"it names what needs a restart: {warned}")
    check_equal(node.send(write, big).status, 413, "the body's limit")
    small = dict(big, id="small", props={"text": "x" * 1_100})
    check_equal(node.send(write, small).json()["rejected"][0]["code"], "too_large", "event's limit")
    asked = [node.request("GET", "/v1/merchant", headers={"Authorization": f"Bearer {read}"})
             for _ in range(4)]
    check_equal([a.status for a in asked][:2] + [asked[-1].status], [200, 200, 429], "rate of questions")
    check(int(asked[-1].headers["Retry-After"]) >= 1, "429 says when to come back")

    # A key just used is remembered for five seconds, unless the node is told to forget.
    node.cli("key", "revoke", write)
    path.write_text("[log]\nlevel = \"info\"\n[http]\nthreads = 7\n")
    line = hang_up(node, "settings_reloaded")
    check("limits.read_queries_per_s" in line and "http.threads" not in line, f"what changed: {line}")
    check_equal(node.send(write, small).status, 401, "the revoked key")
    check_equal(node.query(read, "shop", ["events"])["results"][0]["metrics"], [1], "no rate any more")

    for wrong in ("[http]\nbody_bytes_max = \"2KB\"", "[http]\ntrusted_proxies = [\"here\"]\n[log]\n"
                  "level = \"error\"", "[limits]\nwrite_events = 3", "not toml"):
        path.write_text(wrong)
        check("error" in hang_up(node, "settings_not_reloaded"), "an error is logged")
    other, _ = node.create_merchant("other")
    check_equal(node.send(other, big).status, 200, "old settings stay")
    path.write_text("")
    line = hang_up(node, "settings_reloaded")
    check(line.endswith("changed=none"), f"nothing of it was taken over: {line}")
    check_equal(node.terminate(), 0, "exit code")


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
    check_equal((answer.status, answer.json()["code"]), (401, "token_expired"), "token after its end")
    check("expired at" in answer.json()["detail"], "when it ended")
    forged = made["token"][:-1] + ("A" if made["token"][-1] != "A" else "B")
    answer = node.request("POST", "/api/v2/query", question, {"Authorization": f"Bearer {forged}"})
    check_equal((answer.status, answer.json()["code"]), (401, "unknown_key"), "a token nobody signed")


def test_an_event_before_all_shops_is_refused(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    events = [{"id": "old", "at": "0001-01-01T00:00:00Z", "name": "page_view"},
              {"id": "first", "at": "1970-01-01T00:00:00Z", "name": "page_view"}]
    receipt = node.send_all(write, events)
    check_equal((receipt["accepted"], receipt["rejected"][0]["code"]), (1, "at_too_old"), "receipt")
    check_equal(node.totals(read, "shop", ["events"]), {"events": 1}, "all time")
    days = node.query(read, "shop", ["events"], "all", ["time:day"])["results"]
    check_equal(days[0], {"dimensions": ["1970-01-01"], "metrics": [1]}, "all time by days")
    node.terminate()
    older = Node(workspace, "older", flags=["--events-at-oldest", "1900-01-01T00:00:00Z"])
    workspace.nodes.append(older)
    older.start()
    write, read = older.create_merchant("archive")
    receipt = older.send_all(write, {"id": "a", "at": "1900-01-01T00:00:00Z", "name": "page_view"})
    check_equal(receipt["accepted"], 1, "a bound of one's own")


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
