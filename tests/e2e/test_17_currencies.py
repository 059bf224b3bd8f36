"""Orders in several currencies, converted by daily rates, against exact fractions."""

import bisect
import collections
import datetime
import json
import time
from decimal import Decimal
from fractions import Fraction

import oracle
from harness import check, check_equal
from test_12_history import seal
from test_3_real_input import batches

RANGE = ["2010-12-01", "2010-12-23"]
CURRENCIES = ["GBP", "USD", "EUR", "JPY", "XYZ"]


def half_even(fraction):
    return round(fraction)  # Python rounds fractions half to even


class Rates:
    """By currency, the days in order and their rates."""

    def __init__(self, table):
        self.table = {c: sorted(days.items()) for c, days in table.items()}

    def of(self, currency, day):
        if currency == "EUR":
            return Fraction(1)
        days = self.table.get(currency, [])
        place = bisect.bisect(days, (day, "~"))
        return Fraction(days[place - 1][1]) if place else None

    def convert(self, millionths, currency, day, to="GBP"):
        rate, wanted = self.of(currency, day), self.of(to, day)
        if currency == to:
            return millionths
        if rate is None or wanted is None:
            return None
        return half_even(millionths * wanted / rate)


def bank_table(seed):
    """Rates of working days as the European Central Bank lays them out, with a gap."""
    table = collections.defaultdict(dict)
    day = datetime.date(2010, 11, 29)
    for n in range(26):
        if day.weekday() < 5:
            table["USD"][day.isoformat()] = f"1.3{(n * 37 + seed) % 1000:03}"
            table["GBP"][day.isoformat()] = f"0.84{(n * 11 + seed) % 100:02}5"
            if n != 9:
                table["JPY"][day.isoformat()] = f"11{n % 10}.{(n * 7 + seed) % 100:02}"
        day += datetime.timedelta(days=1)
    return table


def bank_csv(table):
    days = sorted({d for rates in table.values() for d in rates}, reverse=True)
    lines = ["Date,USD,JPY,GBP,"]
    lines += [",".join([d] + [table[c].get(d, "N/A") for c in ("USD", "JPY", "GBP")]) + "," for d in days]
    return "\n".join(lines) + "\n"


def orders():
    invoices, _ = oracle.read_shop()
    for number, invoice in enumerate(i for i in invoices if not i.refund and i.at.strftime("%Y-%m") == "2010-12"):
        yield invoice, CURRENCIES[number % len(CURRENCIES)]


def event_of(invoice, currency):
    items = [{"id": code, "quantity": str(quantity), "price": str(price)}
             for code, _, quantity, price in invoice.lines]
    return {"id": invoice.number, "at": oracle.utc_text(invoice.at), "name": "purchase", "visitor": "v",
            "order": {"id": invoice.number, "currency": currency, "items": items}}


def gross_by_day(rates, to="GBP"):
    sums = collections.Counter()
    for invoice, currency in orders():
        gross = sum(Fraction(quantity) * Fraction(price) for _, _, quantity, price in invoice.lines) * 10**6
        day = invoice.at.strftime("%Y-%m-%d")
        worth = rates.convert(half_even(gross), currency, day, to)
        if worth is not None:
            sums[day] += worth
    return {day: Decimal(n) / 10**6 for day, n in sums.items() if n}


def told(node, read, **more):
    answer = node.query(read, "shop", ["gross_sales"], RANGE, ["time:day"], **more)
    rows = {r["dimensions"][0]: Decimal(r["metrics"][0]) for r in answer["results"]}
    return {day: n for day, n in rows.items() if n}, answer["meta"]


def rates_file(workspace, name, text):
    path = workspace.path / name
    path.write_text(text)
    return str(path)


def reprocess(node):
    made = json.loads(node.cli("reprocess", "start", "--ruleset", "1", "--merchant", "shop", "-o", "json"))
    for _ in range(600):
        if json.loads(node.cli("reprocess", "status", str(made["id"]), "-o", "json"))["state"] == "ready":
            break
        time.sleep(0.1)
    node.cli("reprocess", "promote", str(made["id"]))
    return str(made["id"])


def test_orders_of_several_currencies_are_converted_exactly(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    old, new = bank_table(1), bank_table(500)
    first = rates_file(workspace, "bank.csv", bank_csv(old))
    made = json.loads(node.cli("rates", "import", first, "-o", "json"))
    check_equal((made["base"], made["new"]), ("EUR", sum(len(r) for r in old.values())), "the first import")
    check_equal(json.loads(node.cli("rates", "import", first, "-o", "json"))["new"], 0, "the same once more")
    for batch in batches(event_of(*o) for o in orders()):
        node.send_all(write, batch)
    want = gross_by_day(Rates(old))
    got, meta = told(node, read)
    check_equal(got, want, "gross sales by day")
    check_equal((meta["converted_currencies"], meta["other_currencies"]), (["EUR", "JPY", "USD"], ["XYZ"]),
                "what was converted, and what has no rate")
    got, _ = told(node, read, currency="USD")
    check_equal(got, gross_by_day(Rates(old), "USD"), "the same in dollars")
    plain, meta = told(node, read, convert=False)
    check_equal(meta["other_currencies"], ["EUR", "JPY", "USD", "XYZ"], "without converting")
    check(sum(plain.values()) < sum(want.values()), "only pounds")

    lines = "".join(f"{day},{c},{rate}\n" for c, rates in new.items() for day, rate in rates.items())
    node.cli("rates", "import", rates_file(workspace, "plain.csv", "date,currency,rate\n" + lines))
    seal(node)
    check_equal(told(node, read)[0], want, "what becomes known later changes nothing")
    node.kill()
    node.start()
    check_equal(told(node, read)[0], want, "nor does a restart")
    generation = reprocess(node)
    check_equal(told(node, read)[0], gross_by_day(Rates(new)), "a new generation converts anew")
    node.cli("reprocess", "rollback", generation)
    check_equal(told(node, read)[0], want, "and a rollback takes it back")


def test_rates_come_over_http_and_orders_without_one_take_the_first(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "UTC", "EUR")
    admin = json.loads(node.cli("key", "create", "--scope", "admin", "-o", "json"))["key"]
    node.send_all(write, [{"id": "1", "at": "2010-12-05T10:00:00Z", "name": "purchase", "visitor": "v",
                           "order": {"currency": "USD", "total": "13"}}])
    check_equal(told(node, read)[0], {}, "without a rate")

    def post(body, key=admin):
        return node.request("POST", "/v1/rates", body, {"Authorization": f"Bearer {key}"})
    body = json.dumps({"base": "EUR", "rates": [{"date": "2010-12-03", "currency": "USD", "rate": "1.30"}]})
    check_equal(post(body, read).status, 403, "a read key")
    check_equal(post(body).json()["new"], 1, "new rates")
    check_equal(told(node, read)[0], {"2010-12-05": Decimal("10")}, "the first rate that came")
    check_equal(post("date,currency,rate\n2010-12-05,USD,2\n").json()["new"], 1, "as CSV")
    check_equal(told(node, read)[0], {"2010-12-05": Decimal("10")}, "which it keeps")
    for wrong, pointer in (('{"rates": []}', "/rates"), ('{"rates": [{"date": "x"}]}', "/rates/0/currency"),
                           ('{"rates": [], "more": 1}', "/more"), ('{"base": "euro", "rates": []}', "/base")):
        answer = post(wrong)
        check_equal((answer.status, answer.json()["errors"][0]["pointer"]), (400, pointer), wrong)
    check_equal(post('{"base": "USD", "rates": [{"date": "2010-12-03", "currency": "EUR", "rate": 1}]}').status,
                409, "another base")
    check_equal(post("date,currency,rate\n2010-12-05,USD,-2\n").status, 400, "a negative rate")
    listed = node.request("GET", "/v1/rates?currency=USD", headers={"Authorization": f"Bearer {admin}"}).json()
    check_equal([(r["date"], r["rate"]) for r in listed["rates"]], [("2010-12-05", "2"), ("2010-12-03", "1.3")],
                "what is known")
    check_equal(told(node, read, currency="USD")[0], {"2010-12-05": Decimal("13")}, "in its own currency")
