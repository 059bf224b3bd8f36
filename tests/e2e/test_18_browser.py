"""The dashboard and the browser agent in a real browser."""

import json
import os
import shutil
import subprocess
import time

from harness import ROOT, Skip, check, check_equal
from test_4_clients import javascript, npm

SOURCE = ROOT / "tests/e2e/browser"
FOLDER = ROOT / "build/e2e/browser"
SUMMARY = ["visitors", "visits", "pageviews", "bounce_rate", "net_sales", "orders", "aov", "conversion_rate"]
PANELS = {"pages": ("event:page", ["visitors", "pageviews"]),
          "sources": ("visit:source", ["visitors", "net_sales"]),
          "countries": ("visit:country", ["visitors", "net_sales"]),
          "devices": ("visit:device", ["visitors", "pageviews"]),
          "products": ("event:product", ["gross_sales", "units"]),
          "goals": ("event:goal", ["visitors", "events"])}
DAYS = ["2026-01-05", "2026-01-07"]


def browse(script, *words):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        raise Skip("no browser is installed (Debian: chromium)")
    mark, wanted = FOLDER / "installed.json", (SOURCE / "package.json").read_text()
    binary = javascript()
    if not mark.exists() or mark.read_text() != wanted:
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / "package.json", FOLDER / "package.json")
        npm("install", cwd=FOLDER)
        mark.write_text(wanted)
    shutil.copy(SOURCE / script, FOLDER / script)
    done = subprocess.run([binary, script, browser, *words], cwd=FOLDER, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          env=dict(os.environ, NODE_NO_WARNINGS="1"))
    check_equal(done.returncode, 0, f"exit code of {script}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def shop_events():
    """Six days of a shop: who came, from where, what they looked at and bought."""
    countries, sources = ["DE", "GB", "FR"], ["https://www.google.de/", "", "https://news.example/x"]
    devices = ["desktop", "mobile", "tablet"]
    events = []
    for day in range(2, 8):
        for i in range(4 + 3 * day):
            who = {"visitor": f"v{i}", "country": countries[i % 3], "device": devices[(i + day) % 3],
                   "browser": "Firefox 128.0", "os": "Windows 10", "merchant": "shop",
                   "referrer": sources[(i * day) % 3]}
            for n, page in enumerate(["/a", "/b", "/c"][: 1 + (i + day) % 3]):
                events.append({**who, "id": f"{day}-{i}-{n}", "name": "page_view",
                               "at": f"2026-01-{day:02}T{8 + i % 10:02}:{n:02}:00Z",
                               "url": f"https://shop.example{page}"})
            if i % 4 == 0:
                events.append({**who, "id": f"{day}-{i}-o", "name": "purchase",
                               "at": f"2026-01-{day:02}T{8 + i % 10:02}:30:00Z",
                               "url": "https://shop.example/thanks",
                               "order": {"id": f"o{day}-{i}", "currency": "EUR", "items": [
                                   {"id": "mug", "name": "Mug", "quantity": 1 + i % 3, "price": "4.95"},
                                   {"id": f"t{i % 2}", "name": f"Tea {i % 2}", "quantity": 1, "price": "7.125"}]}})
            if i % 5 == 0:
                events.append({**who, "id": f"{day}-{i}-s", "name": "Signup", "url": "https://shop.example/a",
                               "at": f"2026-01-{day:02}T{8 + i % 10:02}:40:00Z"})
    return events


def same(shown, value):
    if value is None:
        return shown == ""
    return shown == value if isinstance(value, str) else float(shown) == value


def check_shown(node, read, step, what, filters=(), compare="previous_period", shown=None):
    """Every number on the page is the one that the API gives."""
    common = {"date_range": DAYS, "filters": list(filters)}

    def ask(metrics, dimensions=(), **more):
        return node.query(read, "shop", metrics, dimensions=dimensions, **common, **more)["results"]

    more = {"compare": compare} if compare else {}
    whole = ask(SUMMARY, **more)[0]
    for name, value in zip(SUMMARY, whole["metrics"]):
        check(same(step["summary"][name], value), f"{what}: {name} is {value}, shown {step['summary'][name]}")
    if compare:
        for name, value in zip(SUMMARY, whole["comparison"]["metrics"]):
            check(same(step["before"][name], value), f"{what}: {name} was {value}, shown {step['before'][name]}")
    for panel, (dimension, metrics) in PANELS.items():
        dimension = (shown or {}).get(panel, dimension)
        rows = [r for r in ask(metrics, [dimension], pagination={"limit": 10})
                if panel != "products" or r["dimensions"] != ["(none)"]]
        got = step["panels"][panel]
        check_equal(len(got), len(rows), f"{what}: rows of {panel}: {got}")
        for row, (label, *values) in zip(rows, got):
            if dimension != "visit:country":
                check_equal(label, row["dimensions"][0], f"{what}: a name in {panel}")
            for shown_value, value in zip(values, row["metrics"]):
                check(same(shown_value, value), f"{what}: {panel} {label}: {value}, shown {shown_value}")
    return ask


def test_the_dashboard_shows_what_the_api_answers(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "UTC", "EUR")
    platform = json.loads(node.cli("key", "create", "--scope", "platform", "-o", "json"))["key"]
    node.cli("goal", "add", "shop", "Signed up", "--event", "Signup")
    node.send_all(platform, shop_events())
    saw = browse("dashboard.mjs", f"http://127.0.0.1:{node.port}", write, read)

    check_equal(saw["errors"], [], "errors in the browser")
    check_equal(saw["hosts"], [f"127.0.0.1:{node.port}"], "hosts asked")
    check("does not know this key" in saw["refused"], saw["refused"])
    steps = saw["steps"]
    ask = check_shown(node, read, steps["custom"], "custom")
    check_equal(steps["custom"]["message"], "", "message")
    check(all(steps["custom"]["panels"].values()), f"a panel is empty: {steps['custom']['panels']}")
    series = ask(["visitors"], ["time"])
    check_equal([float(v) for v in steps["custom"]["series"]], [r["metrics"][0] for r in series], "the chart")
    sales = ask(["net_sales"], ["time"])
    check_equal(steps["net_sales"]["series"], [r["metrics"][0] for r in sales], "the chart of sales")
    check(steps["net_sales"]["title"].startswith("Net sales, 5 Jan 2026"), steps["net_sales"]["title"])
    check_equal(saw["focus"], "net_sales", "what has the keyboard")
    check("6 Jan 2026: €" in saw["told"] and "before" in saw["told"], f"told of the chart: {saw['told']!r}")
    exact = float(ask(["net_sales"])[0]["metrics"][0])
    check_equal(steps["custom"]["texts"]["net_sales"], f"€{exact:,.2f}", "sales as a person reads them")

    germany = ["is", "visit:country", ["DE"]]
    on_b = ["is", "event:page", ["/b"]]
    channels = {"sources": "visit:channel"}
    check_shown(node, read, steps["germany"], "Germany", [germany])
    check_shown(node, read, steps["channels"], "channels", [germany], shown=channels)
    check_equal(steps["germany_b"]["filters"], ["Countries: Germany ×", "Pages: /b ×"], "filters")
    for step in ("germany_b", "back", "reloaded", "linked"):
        check_shown(node, read, steps[step], step, [germany, on_b], shown=channels)
    check_shown(node, read, steps["channels_again"], "a filter less", [germany], shown=channels)
    check_equal(steps["linked"]["hash"], "", "the key does not stay in the address")

    for theme, ratios in saw["contrast"].items():
        check(min(ratios) >= 4.5, f"contrast of texts, {theme}: {ratios}")
    check(saw["wide"] <= 0, f"a narrow screen scrolls sideways by {saw['wide']}")
    check_equal(saw["named"], [], "controls without a name")
    check("1" in saw["live"] and "visitor now" in saw["live"], f"live: {saw['live']!r}")
    check_equal(saw["kept"], "{}", "what stays after signing out")


def test_the_agent_counts_everything_once(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "UTC", "EUR")
    saw = browse("agent.mjs", f"http://127.0.0.1:{node.port}", write)
    check_equal(saw, {"errors": [], "sent": 0, "kept": ["", 0, 0], "cookies": 0}, "what the browser kept")

    metrics = ["events", "pageviews", "visitors", "orders", "units", "gross_sales"]
    end = time.monotonic() + 20
    while node.totals(read, "shop", ["events"])["events"] < 9 and time.monotonic() < end:
        time.sleep(0.1)
    check_equal(node.totals(read, "shop", metrics),
                {"events": 9, "pageviews": 5, "visitors": 1, "orders": 1, "units": 2, "gross_sales": "9.00"},
                "counted")
    names = {r["dimensions"][0]: r["metrics"][0]
             for r in node.query(read, "shop", ["events"], dimensions=["event:name"])["results"]}
    check_equal(names, {"page_view": 5, "Signup": 1, "purchase": 1, "Retried": 1, "Left": 1}, "events by name")
    ledger = node.ledger(read)
    check(ledger["duplicate"] >= 3, f"the second purchase, two retries: {ledger}")
    check_equal(ledger["rejected"], {}, "rejected")
    for dimension, value in [("visit:utm_source", "letter"), ("visit:language", "de-DE"),
                             ("visit:browser", "Chrome"), ("visit:entry_page", "/")]:
        rows = node.query(read, "shop", ["visitors"], dimensions=[dimension])["results"]
        check(value in [r["dimensions"][0] for r in rows], f"{dimension}: {rows}")
    pages = node.query(read, "shop", ["pageviews"], dimensions=["event:page"])["results"]
    check_equal({r["dimensions"][0]: r["metrics"][0] for r in pages if r["metrics"][0]},
                {"/": 2, "/a": 1, "/thanks": 2}, "pages")
