"""What commands say to scripts: exit codes, and what an import leaves in the ledger."""

import json

from harness import check, check_equal, free_port


def test_client_commands_have_the_documented_exit_codes(workspace):
    node = workspace.node().start()
    node.create_merchant("shop")
    ask = ["query", "--merchant", "shop", "--metrics", "events"]
    missing, bad = str(workspace.path / "missing"), workspace.path / "bad.toml"
    bad.write_text("visit_timeout_minuets = 1\n")
    commands = (
        (ask, 0),
        (["query", "--merchant", "shop", "--metrics", "evnts"], 2),
        ([*ask, "--range", "yesterdayish"], 2),
        ([*ask, "--timezone", "Mars/Base"], 2),
        ([*ask, "--filters", "[nonsense"], 2),
        ([*ask, "--range", "1971-01-01,2026-01-01", "--dimensions", "time:minute"], 2),
        ([*ask, "--no-such-flag"], 2),
        (["query", "--merchant", "nobody", "--metrics", "events"], 3),
        (["query", "--merchant", "shop", "--funnel", "page_view", "--funnel", "purchase"], 0),
        (["query", "--merchant", "shop", "--funnel", "page_view"], 2),
        (["query", "--merchant", "shop", "--funnel", "page_view", "--funnel", '["is"'], 2),
        (["query", "--merchant", "shop", "--funnel", "a", "--funnel", "b", "--window", "soon"], 2),
        (["query", "--merchant", "shop", "--retention", "month", "--customers"], 0),
        (["query", "--merchant", "shop", "--retention", "year"], 2),
        (["query", "--merchant", "nobody", "--retention", "day"], 3),
        ([*ask, "--retention", "day"], 2),
        (["query", "--merchant", "shop"], 2),
        (["merchant", "show", "nobody"], 3),
        (["merchant", "create", "no good"], 2),
        (["merchant", "create", "other", "--timezone", "Mars/Base"], 2),
        (["merchant", "create", "shop"], 1),
        (["rebuild", "nobody"], 3),
        (["rejects", "list", "nobody"], 3),
        (["key", "revoke", "tw_nobody.none"], 3),
        (["reprocess", "status", "99"], 3),
        (["ruleset", "show", "99"], 3),
        (["ruleset", "add", missing], 3),
        (["ruleset", "check", str(bad)], 2),
        (["import", "--merchant", "shop", "--format", "ndjson", missing], 3),
        (["import", "--merchant", "shop", "--format", "csv", "--map", missing, missing], 3),
        (["import", "--merchant", "shop", "--format", "csv", missing], 2),
        (["import", "--merchant", "nobody", "--format", "ndjson", missing], 3),
        (["config", "check", "--config", missing], 3),
        (["config", "check", "--config", str(bad)], 2),
        (["no-such-command"], 2),
    )
    for words, code in commands:
        node.cli(*words, expect=code)
    wrong = workspace.path / "token"
    wrong.write_text("0" * 64 + "\n")
    wrong.chmod(0o600)
    nowhere = f"127.0.0.1:{free_port()}"
    for words in (ask, ["merchant", "list"], ["import", "--merchant", "shop", "--format", "ndjson", missing]):
        node.cli(*words, "--token-file", str(wrong), expect=4)
        node.cli(*words, "--node", nowhere, expect=5)
        node.cli(*words, "--node", nowhere, "--token-file", str(wrong), expect=5)
    check("no node" in node.last_stderr, f"it says why: {node.last_stderr}")


def test_answers_name_the_zone_as_it_was_given(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", timezone="UTC")
    node.send_all(write, {"id": "1", "name": "page_view"})
    check_equal(node.query(read, "shop", ["events"])["query"]["timezone"], "UTC", "the merchant's")
    asked = node.query(read, "shop", ["events"], "7d", ["time:day"], timezone="Etc/UCT")
    check_equal(asked["query"]["timezone"], "Etc/UCT", "the question's")


def test_refused_lines_of_an_import_are_in_the_ledger_once(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    lines = ["not json", json.dumps({"id": "1", "name": "page_view", "at": "2026-01-01T00:00:00Z"}),
             "not json", json.dumps({"id": "2", "name": "x", "at": "soon"}), "[]",
             json.dumps({"merchant": "other", "name": "x"}), json.dumps({"name": "x", "at": "late"})]
    path = workspace.path / "events.ndjson"
    path.write_text("\n".join(lines) + "\n")
    resume = str(workspace.path / "resume")
    expected = {"bad_json": 3, "other_merchant": 1, "bad_at": 2}
    for flags in ([], [], ["--resume", resume], ["--resume", resume]):
        said = json.loads(node.cli("import", "--merchant", "shop", "--format", "ndjson", *flags,
                                   "-o", "json", str(path)))
        if not said["skipped"]:
            check_equal({r["code"]: r["count"] for r in said["refused"]}, expected, "refused lines")
        check_equal(node.ledger(read)["rejected"], expected, f"ledger after {flags}")
    check_equal(said["skipped"], len(lines), "lines that the resume file knows")
    kept = json.loads(node.cli("rejects", "list", "shop", "-o", "json"))["rejects"]
    check_equal(sorted(r["code"] for r in kept),
                ["bad_at"] * 2 + ["bad_json"] * 3 + ["other_merchant"], "what is kept")
    check_equal(sorted(r["raw"] for r in kept if r["code"] == "bad_json"),
                ["[]", "not json", "not json"], "the lines themselves")
    node.kill()
    node.start()
    node.cli("import", "--merchant", "shop", "--format", "ndjson", str(path))
    check_equal(node.ledger(read)["rejected"], expected, "ledger after a crash and another run")
    check_equal(node.ledger(read)["accepted"], 1, "events")
    check(json.loads(node.cli("rebuild", "shop", "-o", "json"))["equal"], "a replay gives the same")
