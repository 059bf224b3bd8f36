"""Goals and segments over HTTP."""

import json
import shutil

from harness import Skip, check_equal
from test_16_failover import Cluster, tally


def admin_key(made):
    return json.loads(made)["key"]


def test_goals_and_segments_are_kept_over_http(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    admin = admin_key(node.cli("key", "create", "--scope", "admin", "-o", "json"))

    def ask(method, path, body=None, key=admin, status=200):
        answer = node.request(method, path, None if body is None else json.dumps(body),
                              {"Authorization": f"Bearer {key}"})
        check_equal(answer.status, status, f"{method} {path}: {answer.body[:500]!r}")
        return answer.json()

    node.send_all(write, [
        {"id": "1", "at": "2026-01-05T10:00:00Z", "name": "page_view", "visitor": "a",
         "url": "https://shop.example/blog/one"},
        {"id": "2", "at": "2026-01-05T10:01:00Z", "name": "--signup", "visitor": "a"},
        {"id": "3", "at": "2026-01-05T10:02:00Z", "name": "page_view", "visitor": "b",
         "url": "https://shop.example/", "country": "DE"}])
    check_equal(ask("GET", "/v1/goals", key=read), {"goals": []}, "goals at first")
    put = ask("PUT", "/v1/goals/Read%20a%2Fb?merchant=shop", {"page": "/blog/*"})
    check_equal((put["merchant"], put["name"]), ("shop", "Read a/b"), "what was put")
    ask("PUT", "/v1/goals/--signed%20up?merchant=shop", {"event": "--signup"})
    ask("PUT", "/v1/segments/Visitors%20of%20blogs?merchant=shop",
        {"filter": ["has_done", ["is", "event:goal", ["Read a/b"]]]})
    names = [g["name"] for g in ask("GET", "/v1/goals", key=read)["goals"]]
    check_equal(names, ["--signed up", "Read a/b"], "goals")
    check_equal(ask("GET", "/v1/goals/--signed%20up", key=read)["filter"],
                ["is", "event:name", ["--signup"]], "one goal")
    rows = node.query(read, "shop", ["events"], ["2026-01-05", "2026-01-05"], ["event:goal"])["results"]
    check_equal({r["dimensions"][0]: r["metrics"][0] for r in rows},
                {"--signed up": 1, "Read a/b": 1}, "events by goal")
    asked = node.query(read, "shop", ["events"], ["2026-01-05", "2026-01-05"],
                       filters=[["is", "segment", ["Visitors of blogs"]]])
    check_equal(asked["results"][0]["metrics"], [2], "events of the segment")

    # It is the same that the console knows.
    listed = json.loads(node.cli("segment", "list", "shop", "-o", "json"))
    check_equal(listed, ask("GET", "/v1/segments?merchant=shop"), "segments")
    check_equal(ask("PUT", "/v1/goals/A?merchant=shop", {"event": "a"}, key=read, status=403)["code"],
                "wrong_scope", "a read key")
    check_equal(ask("GET", "/v1/goals", status=400)["errors"][0]["pointer"], "/merchant", "no merchant")
    check_equal(ask("GET", "/v1/goals?merchant=nobody", status=404)["code"], "unknown_merchant", "nobody")
    check_equal(ask("PUT", "/v1/goals/A?merchant=nobody", {"event": "a"}, status=404)["code"],
                "unknown_merchant", "nobody's goal")
    wrong = ask("PUT", "/v1/goals/A?merchant=shop", {"filter": ["is", "visit:source", ["x"]]}, status=400)
    check_equal(wrong["errors"][0]["pointer"], "/filter", "what is wrong")
    for removed in (True, False):
        gone = ask("DELETE", "/v1/goals/--signed%20up?merchant=shop")
        check_equal(gone["removed"], removed, "removed")
    ask("GET", "/v1/goals/--signed%20up", key=read, status=404)
    for i in range(99):
        ask("PUT", f"/v1/goals/{i}?merchant=shop", {"event": "x"})
    check_equal(ask("PUT", "/v1/goals/more?merchant=shop", {"event": "x"}, status=409)["code"],
                "conflict", "too many")
    ask("PUT", "/v1/goals/7?merchant=shop", {"event": "y"})
    node.kill()
    node.start()
    check_equal(len(ask("GET", "/v1/goals", key=read)["goals"]), 100, "goals after a kill")


def test_any_node_of_a_cluster_takes_them(workspace):
    if shutil.which("etcd") is None:
        raise Skip("etcd is not installed")
    cluster = Cluster(workspace, 2)
    cluster.whole(0)
    made = [cluster.run(i % 2, "merchant", "create", f"shop{i}", "--timezone", "UTC", "--currency", "EUR")
            for i in range(4)]
    admin = cluster.run(0, "key", "create", "--scope", "admin")["key"]

    def ask(node, method, path, body=None, key=admin):
        for _ in range(100):  # a new key reaches all copies a moment after it was made
            status, answer = cluster.request(node, method, path, key, body)
            if status not in (401, 503):
                break
        check_equal(status, 200, f"{method} {path} at {node}: {answer}")
        return answer

    for merchant in made:
        name, read = merchant["merchant"], merchant["read_key"]
        for node in (0, 1):
            # What was put at one node is at once there, and goes at once, at the other.
            ask(node, "PUT", f"/v1/goals/G?merchant={name}", {"event": f"at {node}"})
            seen = ask(1 - node, "GET", "/v1/goals/G", key=read)
            check_equal(seen["filter"], ["is", "event:name", [f"at {node}"]], f"goal of {name}")
            gone = ask(1 - node, "DELETE", f"/v1/goals/G?merchant={name}")
            check_equal(gone["removed"], True, f"goal of {name} removed")
            check_equal(ask(node, "GET", "/v1/goals", key=read), {"goals": []}, f"goals of {name}")
    tally("cluster", "stop-local", "--dir", cluster.folder)
