"""Who the visitors are: agents against an independent computation, countries, bots, and who asks to be nobody."""

import collections
import json
import pathlib
import re
import tomllib

import oracle
from harness import Skip, check, check_equal
from test_3_real_input import unpacked
from test_8_reprocess import start, until

UAP = pathlib.Path("/usr/share/uap-core/regexes.yaml")
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"


def read_patterns():
    """{section: [(compiled, replacements)]} of uap-core's file, by Python's own regular expressions."""
    if not UAP.exists():
        raise Skip("package uap-core is not installed")
    sections = {}
    for line in UAP.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(\w+):", line):
            rules = sections.setdefault(match[1], [])
        elif match := re.match(r"\s+(?:- )?(\w+): *'((?:[^']|'')*)'", line):
            if match[1] == "regex":
                rules.append({})
            rules[-1][match[1]] = match[2].replace("''", "'")
    return {name: [(re.compile(r["regex"], re.I if "regex_flag" in r else 0), r) for r in rules]
            for name, rules in sections.items()}


def fill(text, match):
    return re.sub(r"\$(\d)", lambda m: match[int(m[1])] or "" if int(m[1]) <= match.re.groups else "",
                  text).strip()


def parts(rules, agent, names):
    for expression, rule in rules:
        if match := expression.search(agent):
            groups = [match[i] if i <= match.re.groups else None for i in range(1, len(names) + 1)]
            return [fill(rule[n], match) if rule.get(n) else (g or "").strip()
                    for n, g in zip(names, groups)]
    return ["" for _ in names]


def name_and_version(found):
    family, major, minor = found
    if not family or family == "Other":
        return "", ""
    return family, major + ("." + minor if minor and major[:1].isdigit() else "") if major else ""


class Agents:
    """What an agent says, computed without Tally."""

    def __init__(self, bot_words):
        self.rules = read_patterns()
        self.bot_words = [re.compile(w, re.I) for w in bot_words]
        self.known = {}

    def of(self, agent):
        if agent not in self.known:
            browser = parts(self.rules["user_agent_parsers"], agent,
                            ["family_replacement", "v1_replacement", "v2_replacement"])
            system = parts(self.rules["os_parsers"], agent,
                           ["os_replacement", "os_v1_replacement", "os_v2_replacement"])
            device = parts(self.rules["device_parsers"], agent, ["device_replacement"])
            bot = device[0] == "Spider" or any(w.search(agent) for w in self.bot_words)
            self.known[agent] = (name_and_version(browser), name_and_version(system), bot)
        return self.known[agent]


def example(node, name):
    return node.cli("ruleset", "example", name)


def filtered(node, workspace, read, rules, name):
    """The ledger's reasons after history was counted by these rules."""
    file = workspace.path / f"{name}.toml"
    file.write_text(rules)
    number = start(node, file, "site")
    until(node, number, "ready")
    node.cli("reprocess", "promote", number)
    return node.ledger(read)["filtered"]


def rules_of(field, products):
    return "".join(f'[[drop]]\nreason = "r{i}"\nfilter = ["and", [["is", "{field}", [{json.dumps(name)}]], '
                   f'["is", "{field}_version", [{json.dumps(version)}]]]]\n'
                   for i, (name, version) in enumerate(products))


def compare_answers(node, read, lines):
    """Events by browser, and by browser and version, as questions give them."""
    for dimensions, key in ((["visit:browser"], lambda line: (line[0][0],)),
                            (["visit:os", "visit:os_version"], lambda line: line[1])):
        want = collections.Counter(tuple(part or "(none)" for part in key(line)) for line in lines)
        rows = node.query(read, "site", ["events"], ["2015-05-17", "2015-05-20"], dimensions,
                          pagination={"limit": 1000})["results"]
        check_equal({tuple(r["dimensions"]): r["metrics"][0] for r in rows}, dict(want), f"events by {dimensions}")


def test_the_access_log_gives_the_agents_of_an_independent_computation(workspace):
    path = unpacked(workspace, "apache-access-*.log.xz", "access.log")
    node = workspace.node().start()
    _, read = node.create_merchant("site")
    node.cli("import", "--merchant", "site", "--format", "combined", str(path), timeout=600)
    bots = tomllib.loads(example(node, "bots"))
    words = bots["drop"][0]["filter"][1][2][2]
    check(len(words) > 10, f"the list of bots: {words}")
    agents = Agents(words)
    hits, _ = oracle.read_log()
    lines = [agents.of("" if h.agent == "-" else h.agent) for h in hits]
    compare_answers(node, read, lines)
    for index, field in ((0, "visit:browser"), (1, "visit:os")):
        counts = collections.Counter(line[index] for line in lines)
        del counts[("", "")]
        top = [product for product, _ in counts.most_common(100)]
        check(len(top) > 20 and sum(counts[t] for t in top) > 6_000, f"{field}: {counts}")
        got = filtered(node, workspace, read, rules_of(field, top), field.split(":")[1])
        want = {f"r{i}": counts[text] for i, text in enumerate(top)}
        wrong = {top[int(r[1:])]: (got.get(r), n) for r, n in want.items() if got.get(r) != n}
        check(not wrong, f"{field}, got and want: {wrong}")
    expected = sum(line[2] for line in lines)
    check(1_500 < expected < 4_000, f"{expected} requests of bots")
    got = filtered(node, workspace, read, example(node, "bots"), "bots")
    check_equal(got["bot"], expected, "requests of bots")
    check_equal(node.totals(read, "site", ["events"])["events"], len(hits) - sum(got.values()), "events left")


def last_events(node):
    """The events of the last commit round."""
    rounds = json.loads(node.cli("log", "tail", "1", "-o", "json"))["rounds"]
    dump = json.loads(node.cli("log", "dump", str(rounds[-1]["round"]), "-o", "json"))
    return [e for chunk in dump["rounds"][0]["chunks"] for e in chunk["events"]]


def only(node, key, names, headers):
    """What was stored of one event that came with these headers."""
    check_equal(node.send(key, {"name": "page_view", "visitor": "v", **names}, headers=headers).status,
                200, "status")
    events = last_events(node)
    check_equal(len(events), 1, "events of the round")
    return events[0]


def test_an_event_says_browser_and_country(workspace):
    node = workspace.node(flags=["--http-trusted-proxies", "127.0.0.0/8"]).start()
    write, _ = node.create_merchant("shop")
    status = json.loads(node.cli("status", "-o", "json"))
    check("uap-core 0" in status["user_agents"], f"status {status}")
    if 'geo_database_opened database="libloc 20' not in node.tail(40):
        raise Skip("package libloc-database is not installed")
    from_us = {"X-Forwarded-For": "8.8.8.8", "User-Agent": FIREFOX}
    event = only(node, write, {"timezone": "Europe/Paris"}, from_us)
    check_equal({k: event[k] for k in ("browser", "os", "device", "country")},
                {"browser": "Firefox 128.0", "os": "Windows 10", "device": "desktop", "country": "US"},
                "what is stored")
    check(event["network"].startswith("8.8.8.0/24"), f"network {event['network']}")
    check("8.8.8.8" not in json.dumps(event), "the address is stored")
    node.terminate()
    node.flags += ["--visitors-geo-database", "none"]
    node.start()
    event = only(node, write, {"timezone": "Europe/Paris"}, from_us)
    check_equal((event["country"], event["network"]), ("FR", "8.8.8.0/24"), "without a database")
    node.terminate()
    node.flags[-1] = str(workspace.path / "missing.mmdb")
    node.start()
    check("geo_database_missing" in node.tail(40) and "missing.mmdb: no such file" in node.tail(40),
          "the log names the missing file")


def test_whoever_asks_is_nobody_where_the_merchant_honours_it(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    node.cli("merchant", "alias", "add", "shop", "plausible:shop.example")
    headers = {"User-Agent": FIREFOX, "Sec-GPC": "1"}
    check_equal(only(node, write, {}, headers)["visitor"], "v", "not asked for yet")
    made = json.loads(node.cli("merchant", "set", "shop", "--honour-gpc", "-o", "json"))
    check_equal(made["honours_gpc"], True, "the setting")
    node.kill()  # so that no key is cached, and to see that it is durable
    node.start()
    check_equal(json.loads(node.cli("merchant", "show", "shop", "-o", "json"))["honours_gpc"], True, "show")
    for header in ("Sec-GPC", "DNT"):
        event = only(node, write, {}, {"User-Agent": FIREFOX, header: "1"})
        check_equal((event["visitor"], event["network"], event["browser"]), ("", "", "Firefox 128.0"), header)
    event = only(node, write, {}, {"User-Agent": FIREFOX, "DNT": "0"})
    check_equal(event["visitor"], "v", "DNT: 0")
    body = json.dumps({"n": "pageview", "u": "https://shop.example/", "d": "shop.example"})
    check_equal(node.request("POST", "/api/event", body, headers).status, 202, "Plausible's status")
    event = last_events(node)[0]
    check_equal((event["visitor"], event["network"]), ("", ""), "Plausible's event")
    got = node.totals(read, "shop", ["events", "visitors"])
    check_equal((got["events"], got["visitors"]), (5, 1), "events and visitors")
    wrong = json.dumps({"name": "page_view", "at": "yesterday", "visitor": "somebody"})
    node.request("POST", "/v1/events", wrong, {"Authorization": f"Bearer {write}", "Sec-GPC": "1"})
    check_equal(node.ledger(read)["rejected"], {"bad_at": 1}, "the refused event is counted")
    listed = node.cli("rejects", "list", "shop", "-o", "json")
    check("somebody" not in listed, f"what was refused is not kept: {listed}")
    node.cli("merchant", "set", "shop", "--ignore-gpc")
    made = json.loads(node.cli("merchant", "create", "other", "--timezone", "UTC", "--currency", "EUR",
                               "--honour-gpc", "-o", "json"))
    check_equal(made["honours_gpc"], True, "from the first event on")
    check_equal(only(node, made["write_key"], {}, headers)["visitor"], "", "another merchant's event")
    node.cli("merchant", "set", "shop", "--ignore-gpc", "--honour-gpc", expect=None)
    check("only one of them" in node.last_stderr, f"both at once: {node.last_stderr}")
