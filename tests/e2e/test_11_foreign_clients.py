"""Unmodified client libraries of other products: what they send is counted at the merchant of the alias."""

import json
import os
import subprocess
import time

import test_4_clients as clients
from harness import check, check_equal

UUID = "94db1cb1-74f4-4a40-ad6c-962362670409"


def run_client(workspace, client, alias, name, sales=25.5):
    node_binary = clients.javascript()
    clients.installed()
    node = workspace.node().start()
    _, read = node.create_merchant("shop")
    node.cli("merchant", "alias", "add", "shop", alias)
    done = subprocess.run([node_binary, "foreign.mjs", client, f"http://127.0.0.1:{node.port}", name],
                          cwd=clients.FOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60,
                          env=dict(os.environ, NODE_NO_WARNINGS="1"))
    check_equal(done.returncode, 0, f"exit code of the client\n{done.stdout[-2000:]}")
    metrics = ["events", "pageviews", "orders", "total_sales", "visitors"]
    end = time.monotonic() + 20
    while True:
        got = node.totals(read, "shop", metrics)
        if got["events"] >= 3 or time.monotonic() > end:
            break
        time.sleep(0.1)
    check_equal(sum(node.ledger(read)["rejected"].values()), 0, "rejected events")
    got["total_sales"] = float(got["total_sales"])
    check_equal(got, {"events": 3, "pageviews": 1, "orders": 1, "total_sales": sales, "visitors": 1},
                f"counted\n{done.stdout[-2000:]}")
    names = node.query(read, "shop", ["events"], dimensions=["event:name"])["results"]
    check_equal(sorted(row["dimensions"][0] for row in names), ["Signup", "page_view", "purchase"],
                "names of events")


def test_plausible_tracker_is_counted(workspace):
    run_client(workspace, "plausible", "plausible:shop.example", "shop.example")


def test_older_plausible_tracker_is_counted(workspace):
    run_client(workspace, "plausible-old", "plausible:shop.example", "shop.example", sales=0)


def test_umami_node_is_counted(workspace):
    run_client(workspace, "umami", f"umami:{UUID}", UUID)


def test_ga4mp_is_counted(workspace):
    run_client(workspace, "ga4mp", "ga4:G-SHOP", "G-SHOP")


def test_posthog_node_is_counted(workspace):
    run_client(workspace, "posthog", "posthog:phc_shop", "phc_shop")


def test_matomo_tracker_is_counted(workspace):
    run_client(workspace, "matomo", "matomo:7", "7")


def test_jitsu_is_counted(workspace):
    run_client(workspace, "jitsu", "segment:id:secret", "id:secret")


def test_visitors_stay_who_they_are_over_a_kill(workspace):
    node = workspace.node().start()
    _, read = node.create_merchant("shop")
    node.cli("merchant", "alias", "add", "shop", "plausible:shop.example")
    view = json.dumps({"n": "pageview", "u": "https://shop.example/", "d": "shop.example"})

    def send():
        answer = node.request("POST", "/api/event", view, {"User-Agent": "one"})
        check_equal((answer.status, answer.body), (202, b"ok"), "answer")

    if time.gmtime().tm_hour == 23 and time.gmtime().tm_min >= 58:
        time.sleep(130)  # the test must not cross midnight
    send()
    node.kill()
    node.start()
    send()
    check_equal(node.totals(read, "shop", ["events", "visitors"]), {"events": 2, "visitors": 1}, "counted")


def test_answers_of_foreign_protocols(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    for alias in ("plausible:shop.example", f"umami:{UUID}", "ga4:G-SHOP", "posthog:phc_shop", "matomo:7",
                  "segment:foreign-key"):
        node.cli("merchant", "alias", "add", "shop", alias)
    cases = [
        ("POST", "/api/event", {"n": "x", "u": "https://a/", "d": "nobody.example"}, 202),
        ("POST", "/api/event", {"n": "x", "d": "shop.example"}, 400),
        ("GET", "/api/event", None, 405),
        ("GET", "/api/health", None, 200),
        ("POST", "/api/send", {"type": "event", "payload": {"website": UUID, "url": "/"}}, 200),
        ("POST", "/api/send", {"type": "event", "payload": {"website": "x"}}, 400),
        ("POST", "/api/batch", [], 200),
        ("POST", "/mp/collect?measurement_id=G-SHOP", {"client_id": "c", "events": [{"name": "x"}]}, 204),
        ("POST", "/debug/mp/collect?measurement_id=G-SHOP", {}, 200),
        ("GET", "/g/collect?tid=G-SHOP&cid=c&en=x", None, 204),
        ("POST", "/batch/", {"api_key": "phc_none", "batch": [{"event": "x"}]}, 401),
        ("POST", "/capture/", {"api_key": write, "event": "x", "distinct_id": "u"}, 200),
        ("GET", "/matomo.php?idsite=7&rec=1&url=https://a/&send_image=0", None, 204),
        ("GET", "/matomo.php?idsite=8", None, 400),
        ("POST", "/api/s/track", {"event": "x", "userId": "u"}, 401),
        ("GET", f"/v1/pixel.gif?key={write}&name=x", None, 200),
        ("GET", "/v1/pixel.gif?key=none", None, 401),
        ("POST", "/v1/track", {"writeKey": "foreign-key", "event": "x", "userId": "u"}, 200),
        ("POST", "/v1/track", {"writeKey": "no-key", "event": "x", "userId": "u"}, 401),
    ]
    for method, path, body, status in cases:
        answer = node.request(method, path, None if body is None else json.dumps(body),
                              {"Origin": "https://shop.example"})
        check_equal(answer.status, status, f"{method} {path}: {answer.body[:300]!r}")
        if status == 202:
            check_equal(answer.headers["x-plausible-dropped"], "1", "dropped events")
        check_equal(answer.headers["Access-Control-Allow-Origin"],
                    None if path == "/api/health" or path.startswith("/debug") else "https://shop.example",
                    f"CORS of {path}")
    preflight = node.request("OPTIONS", "/api/send", None, {
        "Origin": "https://shop.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-umami-cache"})
    check_equal(preflight.status, 204, "preflight")
    check("x-umami-cache" in preflight.headers["Access-Control-Allow-Headers"], "headers of the preflight")
    check_equal(node.totals(read, "shop", ["events"])["events"], 7, "events counted")
    node.cli("merchant", "alias", "remove", "shop", "ga4:G-SHOP")
    listed = json.loads(node.cli("merchant", "alias", "list", "shop", "-o", "json"))["aliases"]
    check_equal(len(listed), 5, "aliases left")
