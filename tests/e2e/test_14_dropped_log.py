"""What is sealed leaves the log, and everything is as if it had stayed: after kills, without the state, recomputed."""

import json
import shutil
import time

import oracle
from harness import check, check_equal, verify
from test_12_history import compare_products, feed_shop, seal
from test_2_kill_loop import CRASHED
from test_3_real_input import batches, compare_shop, segment_event
from test_8_reprocess import start as start_generation
from test_8_reprocess import until, write_rules

SMALL = ["--engine-segment-bytes", "1MiB", "--engine-keep-log-bytes", "0B",
         "--engine-flush-interval", "1s"]


def send_again(node, write, invoices):
    for batch in batches(segment_event(i) for i in invoices):
        receipt = node.send_all(write, {"batch": batch, "writeKey": write}, "/v1/batch")
        check_equal((receipt["accepted"], receipt["duplicate"]), (0, len(batch)), "sent again")


def test_the_shop_stays_exact_when_its_log_is_dropped(workspace):
    invoices, _ = oracle.read_shop()
    most = len(invoices) * 3 // 4
    node = workspace.node(flags=SMALL).start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    feed_shop(node, write, invoices[:most])
    check(seal(node)["log_from_round"] > 1, "nothing of the log was dropped")
    feed_shop(node, write, invoices[most:])
    compare_shop(node, read, "shop")

    node.kill()
    node.start()
    compare_shop(node, read, "shop")
    compare_products(node, read, invoices)
    send_again(node, write, invoices[:1_000])
    check(json.loads(node.cli("rebuild", "shop", "-o", "json"))["equal"], "live differs from a replay")

    # The bug is in the totals of events that the log no longer has.
    rules = write_rules(workspace)
    for name, orders in (("buggy", len(invoices)), ("fixed", sum(not i.refund for i in invoices))):
        number = start_generation(node, rules[name])
        until(node, number, "ready")
        node.cli("reprocess", "promote", number)
        check_equal(node.totals(read, "shop", ["orders"])["orders"], orders, f"orders, {name}")
    compare_shop(node, read, "shop")
    check(json.loads(node.cli("rebuild", "shop", "-o", "json"))["equal"], "recomputed differs from a replay")

    for again in range(2):  # killed on its way back, then not
        node.kill()
        if again == 0:
            shutil.rmtree(node.data_dir / "state")
        node.start()
    compare_shop(node, read, "shop")
    compare_products(node, read, invoices)
    send_again(node, write, invoices[most - 500:most + 500])
    seal(node)
    compare_shop(node, read, "shop")
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)


def test_a_kill_between_the_steps_of_a_drop_loses_nothing(workspace):
    invoices, _ = oracle.read_shop()
    node = workspace.node(flags=SMALL).start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    sent = 0
    for point in ("log_before_drop", "log_after_drop"):
        feed_shop(node, write, invoices[sent:sent + 5_000])
        sent += 5_000
        node.kill()
        node.env["TALLY_CRASH_AT"] = point
        node.launch()  # it seals what is saved at once, and may get there before it is ready
        end = time.monotonic() + 60
        while node.alive() and time.monotonic() < end:
            if node.ready():
                node.cli("seal", expect=None)
            time.sleep(0.02)
        check_equal(node.process.poll(), CRASHED, f"exit code at {point}\n{node.tail()}")
        del node.env["TALLY_CRASH_AT"]
        verify(node.data_dir)
        node.start()
        check_equal(node.totals(read, "shop", ["events"])["events"], sent, f"events after {point}")
        send_again(node, write, invoices[sent - 300:sent])
    check(seal(node)["log_from_round"] > 1, "nothing of the log was dropped")
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)
