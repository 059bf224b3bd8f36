"""A bug in the rules over the real shop data: seen, fixed, history recomputed while events keep coming."""

import json
import random
import threading
import time

import oracle
from harness import check, check_equal, verify
from test_2_kill_loop import CRASHED
from test_3_real_input import batches, compare_shop, segment_event

# The seeded bug: refunds count as sales. Segment's names arrive as the standard ones.
BUGGY = '[names]\nrefund = "purchase"\n'
FIXED = '# refunds are refunds\nvisit_timeout_minutes = 30\n'


class Feeder(threading.Thread):
    """Sends batches in order, each until it has a receipt."""

    def __init__(self, node, write, items, pause=0.0):
        super().__init__(daemon=True)
        self.node, self.write, self.items, self.pause = node, write, items, pause
        self.sent, self.trouble = 0, None

    def run(self):
        try:
            for batch in self.items:
                while True:
                    try:
                        answer = self.node.send(self.write, {"batch": batch, "writeKey": self.write},
                                                "/v1/batch")
                        if answer.status in (200, 202):
                            break
                    except OSError:
                        pass
                    time.sleep(0.02)
                self.sent += 1
                time.sleep(self.pause)
        except Exception as e:  # noqa: BLE001: told by the test
            self.trouble = e


def write_rules(workspace):
    files = {}
    for name, text in (("buggy", BUGGY), ("fixed", FIXED)):
        files[name] = workspace.path / f"{name}.toml"
        files[name].write_text(text)
    return files


def start(node, rules, merchant="shop"):
    made = json.loads(node.cli("reprocess", "start", "--ruleset", str(rules), "--merchant", merchant,
                               "-o", "json"))
    check_equal(made["id"], made["generation"], "id and generation")
    return str(made["id"])


def status(node, number):
    return json.loads(node.cli("reprocess", "status", number, "-o", "json"))


def until(node, number, state, patience=120):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        now = status(node, number)
        check(0 <= now["progress"] <= 1, f"progress {now}")
        if now["state"] == state:
            return now
        time.sleep(0.05)
    check(False, f"generation {number} is not {state} in {patience} s: {now}")


def generation(node, read):
    answer = node.request("GET", "/v1/merchant", headers={"Authorization": f"Bearer {read}"})
    return answer.json()["generation"]



def test_a_seeded_bug_is_fixed_while_events_keep_coming(workspace):
    invoices, _ = oracle.read_shop()
    rules = write_rules(workspace)
    node = workspace.node(flags=["--engine-flush-interval", "1s"]).start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    everything = list(batches((segment_event(i) for i in invoices), events_max=200))
    most = len(everything) * 2 // 3

    first = Feeder(node, write, everything[:most])
    bug = start(node, rules["buggy"])  # of a merchant without events yet
    until(node, bug, "ready")
    node.cli("reprocess", "promote", bug)
    first.run()
    check_equal(first.trouble, None, "the first part")
    check_equal(generation(node, read), int(bug), "generation with the bug")
    got = node.totals(read, "shop", ["orders", "refunds"])
    check_equal(got["orders"], sum(len(b) for b in everything[:most]), "orders with the bug")
    check_equal(got["refunds"], "0.00", "refunds with the bug")

    rest = Feeder(node, write, everything[most:], pause=0.02)
    rest.start()
    fix = start(node, rules["fixed"])
    until(node, fix, "ready")
    changes = json.loads(node.cli("reprocess", "diff", fix, "-o", "json"))["changes"]
    check(changes, "the fix changes nothing")
    check({"merchant", "metric", "bucket", "old", "new"} <= set(changes[0]), f"a change: {changes[0]}")
    check(any(c["metric"] == "refunds" and c["old"] == "0.00" for c in changes), "refunds in the diff")
    node.cli("reprocess", "promote", fix)
    rest.join(300)
    check_equal((rest.is_alive(), rest.trouble), (False, None), "the rest of the events")
    check_equal(generation(node, read), int(fix), "generation with the fix")
    compare_shop(node, read, "shop")
    check(json.loads(node.cli("rebuild", "shop", "-o", "json"))["equal"], "live differs from a replay")

    node.cli("reprocess", "rollback", fix)
    check_equal(node.totals(read, "shop", ["orders"])["orders"], len(invoices), "orders rolled back")
    check(json.loads(node.cli("rebuild", "shop", "-o", "json"))["equal"], "rolled back")
    node.kill()
    node.start()
    node.cli("reprocess", "promote", fix)
    compare_shop(node, read, "shop")
    again = Feeder(node, write, everything[:3])
    again.run()
    compare_shop(node, read, "shop")
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)
    node.start()
    compare_shop(node, read, "shop")
    node.cli("reprocess", "drop", bug, expect=1)  # it serves nobody now, and is what fix goes back to


# Point, and the passing at which it kills.
POINTS = {"generation_after_save": (1, 3), "generation_before_promote": (1, 1),
          "generation_mid_promote": (1, 1), "generation_after_promote": (1, 1),
          "keeper_after_flush": (1, 4), "keeper_after_mark": (1, 4), "registry_after_write": (1, 2),
          "snapshot_after_write": (1, 4), "lane_before_apply": (1, 40)}


def test_a_kill_while_it_is_built_and_promoted_changes_nothing(workspace):
    chance = random.Random(workspace.options.seed)
    invoices, _ = oracle.read_shop()
    rules = write_rules(workspace)
    node = workspace.node(flags=["--engine-flush-interval", "1s",
                                 "--engine-reprocess-events-per-s", "20000"]).start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    everything = list(batches((segment_event(i) for i in invoices), events_max=100))
    share = len(everything) // len(POINTS)
    orders = 0
    bug = start(node, rules["buggy"])
    until(node, bug, "ready")
    node.cli("reprocess", "promote", bug)
    for turn, (point, passings) in enumerate(POINTS.items()):
        begin = turn * share
        end = len(everything) if turn + 1 == len(POINTS) else begin + share
        node.kill()
        armed = f"{point}:{chance.randint(*passings)}"
        node.env["TALLY_CRASH_AT"] = armed
        node.launch()
        while node.alive() and not node.ready():
            time.sleep(0.01)
        feeder = Feeder(node, write, everything[begin:end], pause=0.01)
        feeder.start()
        fix = None
        for words in (("start",), ("promote",)):
            done = node.cli("reprocess", "list", "-o", "json", expect=None)
            if not node.alive() or not done:
                break
            if words == ("start",):
                made = node.cli("reprocess", "start", "--ruleset", str(rules["fixed"]), "--merchant",
                                "shop", "-o", "json", expect=None)
                fix = str(json.loads(made)["id"]) if made else None
            while fix and node.alive() and words == ("promote",):
                now = node.cli("reprocess", "status", fix, "-o", "json", expect=None)
                if now and json.loads(now)["state"] == "ready":
                    node.cli("reprocess", "promote", fix, expect=None)
                    break
                time.sleep(0.02)
        time.sleep(0.5 * chance.random())
        if node.alive():
            node.kill()  # the point was passed too seldom: an instant like any other
        else:
            check_equal(node.process.wait(), CRASHED, f"exit code at {armed}")
        del node.env["TALLY_CRASH_AT"]
        verify(node.data_dir)
        node.start()
        feeder.join(120)
        check_equal((feeder.is_alive(), feeder.trouble), (False, None), f"events after {armed}")
        if fix is None or not any(str(g["id"]) == fix for g in json.loads(
                node.cli("reprocess", "list", "-o", "json"))["generations"]):
            fix = start(node, rules["fixed"])
        finish(node, fix)
        sent = [e for batch in everything[:end] for e in batch]
        orders = sum(e["event"] == "Order Completed" for e in sent)
        check_equal(node.totals(read, "shop", ["orders"])["orders"], orders, f"orders after {armed}")
        check(json.loads(node.cli("rebuild", "shop", "-o", "json"))["equal"], f"replay after {armed}")
        if turn + 1 == len(POINTS):
            break
        node.cli("reprocess", "rollback", fix)
        check_equal(node.totals(read, "shop", ["orders"])["orders"], len(sent), f"rolled back, {armed}")
        node.cli("reprocess", "drop", fix)
    compare_shop(node, read, "shop")
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)


def finish(node, fix):
    """However far it was: promoted in the end."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        now = status(node, fix)["state"]
        if now == "promoted":
            return
        if now == "ready":
            node.cli("reprocess", "promote", fix, expect=None)
        time.sleep(0.05)
    check(False, f"generation {fix} is not promoted: {status(node, fix)}")


def test_a_zone_changes_for_the_past_and_a_ruleset_is_tried_without_the_node(workspace):
    rules = write_rules(workspace)
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "UTC", "GBP")
    late = 1_290_000_000_000 // 86_400_000 * 86_400_000 + 23 * 3_600_000 + 1_800_000  # 23:30 UTC
    node.send_all(write, [{"id": f"{name}-{i}", "at": late + i, "name": name, "visitor": f"v{i}",
                           "order": {"id": f"o{i}", "currency": "GBP", "total": "10.00",
                                     "amount": "4.00"}}
                          for i in range(10) for name in ("purchase", "refund")])

    def days():
        answer = node.query(read, "shop", ["orders"], ["2010-11-16", "2010-11-19"], ["time:day"])
        return [row["metrics"][0] for row in answer["results"]], answer["meta"]["generation"]

    check_equal(days(), ([0, 10, 0, 0], 1), "orders by day in UTC")
    said = json.loads(node.cli("merchant", "set", "shop", "--timezone", "Europe/Paris", "-o", "json"))
    check_equal((said["timezone"], said["currency"], said["generation"]), ("Europe/Paris", "GBP", 2),
                "merchant set")
    check_equal(days(), ([0, 0, 10, 0], 2), "orders by day in Paris")
    node.kill()
    node.start()
    check_equal(days(), ([0, 0, 10, 0], 2), "orders by day after a kill")

    check_equal(node.terminate(), 0, "exit code")
    tried = json.loads(node.cli("replay", "--data-dir", str(node.data_dir), "--ruleset",
                                str(rules["buggy"]), "--merchant", "shop", "-o", "json"))
    check_equal(tried["merchants"], 1, "merchants tried")
    largest = tried["changes"][0]
    check_equal((largest["metric"], largest["bucket"], largest["old"], largest["new"]),
                ("net_sales", "2010-11-18", "60.00", "200.00"), "the largest change")
    node.cli("replay", "--data-dir", str(workspace.path / "nowhere"), "--ruleset", str(rules["fixed"]),
             expect=3)
    node.start()
    check_equal(days(), ([0, 0, 10, 0], 2), "orders by day after a trial")
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)


def test_history_is_recomputed_over_http_with_an_admin_key(workspace):
    invoices, _ = oracle.read_shop()
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    admin = json.loads(node.cli("key", "create", "--scope", "admin", "-o", "json"))["key"]
    for batch in batches(segment_event(i) for i in invoices[:2_000]):
        node.send_all(write, {"batch": batch, "writeKey": write}, "/v1/batch")

    def call(method, path, body=None, key=admin, status=200):
        answer = node.request(method, path, body, {"Authorization": f"Bearer {key}"})
        check_equal(answer.status, status, f"{method} {path}: {answer.body[:400]!r}")
        return answer.json()

    version = call("POST", "/v1/rulesets", BUGGY)["version"]
    shown = call("GET", f"/v1/rulesets/{version}")["ruleset"]
    check_equal(shown["names"], {"refund": "purchase"}, "names of the ruleset")
    made = call("POST", "/v1/reprocess", json.dumps({"ruleset": BUGGY, "merchants": ["shop"]}))
    check_equal((made["id"], made["ruleset"]), (made["generation"], version), "an equal ruleset is the same")
    number = str(made["id"])
    until(node, number, "ready")
    check_equal(call("GET", f"/v1/reprocess/{number}")["progress"], 1.0, "progress")
    changes = call("GET", f"/v1/reprocess/{number}/diff?limit=5")["changes"]
    check_equal(len(changes), 5, "changes shown")
    before = node.totals(read, "shop", ["orders"])["orders"]
    check_equal(call("POST", f"/v1/reprocess/{number}/promote")["state"], "promoted", "promote")
    check_equal(node.totals(read, "shop", ["orders"])["orders"], 2_000, "orders with refunds")
    check_equal(call("POST", f"/v1/reprocess/{number}/rollback")["state"], "rolled_back", "rollback")
    check_equal(node.totals(read, "shop", ["orders"])["orders"], before, "orders")
    check_equal(call("POST", f"/v1/reprocess/{number}/drop")["state"], "dropped", "drop")
    check(any(str(g["id"]) == number for g in call("GET", "/v1/reprocess")["generations"]), "the list")
    call("POST", f"/v1/reprocess/{number}/promote", status=409)
    call("GET", "/v1/reprocess/77", status=404)
    call("GET", "/v1/rulesets/77", status=404)
    refused = call("POST", "/v1/rulesets", "[names]\nx = 1", status=400)
    check("line 2, column 5" in refused["detail"], f"the line of the mistake: {refused}")
    call("POST", "/v1/reprocess", '{"ruleset": 1, "merchants": ["nobody"]}', status=404)
    for key in (read, write):
        call("GET", "/v1/reprocess", key=key, status=403)
    call("GET", "/v1/reprocess", key="ta_main.x", status=401)
