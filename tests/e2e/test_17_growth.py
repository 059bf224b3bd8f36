"""Clusters that grow, lose disks, and have more nodes than copies of a shard."""

import os
import shutil
import signal
import time

from harness import check, check_equal
from test_16_failover import PATIENCE, Cluster, Load, check_counts, merchants_of


def answers(cluster, node, merchant, path="/v1/merchant"):
    status, answer = cluster.request(node, "GET", path, merchant["read_key"])
    return status == 200 and answer["merchant"] == merchant["merchant"]


def wait_for(what, why):
    until = time.time() + PATIENCE
    while not what():
        check(time.time() < until, why)
        time.sleep(0.1)


def test_four_nodes_know_everything_with_three_copies_of_each_shard(workspace):
    cluster = Cluster(workspace, 4)
    cluster.whole(0)
    merchants = merchants_of(cluster, 6)
    loads = [Load(cluster, node, merchants) for node in range(4)]
    for node in range(4):
        for merchant in merchants:
            wait_for(lambda n=node, m=merchant: answers(cluster, n, m), f"{merchant} at {node}")
    for node in range(4):
        shown = cluster.run(node, "merchant", "show", "shop-3")
        check_equal(shown["timezone"], "Europe/London", f"at node {node}")
    rates = workspace.path / "rates.csv"
    rates.write_text("date,currency,rate\n2010-12-01,GBP,0.85\n")
    cluster.run(0, "rates", "import", str(rates), "--base", "EUR")
    for node in range(4):
        wait_for(lambda n=node: cluster.run(n, "rates", "list")["rates"], f"rates at node {node}")
    for load in loads:
        load.finish()
    for node in range(4):
        check_counts(cluster, node, merchants, loads)


def test_a_node_whose_disk_is_lost_is_replaced_by_an_empty_one(workspace):
    cluster = Cluster(workspace)
    cluster.whole(0)
    merchants = merchants_of(cluster)
    load = Load(cluster, 0, merchants)
    # What is sealed and dropped from the logs is to come from history.
    time.sleep(1)
    for node in range(3):
        cluster.run(node, "console", "-c", "seal")
    os.kill(cluster.nodes[2]["pid"], signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{cluster.nodes[2]['pid']}"), "it is dead")
    shutil.rmtree(f"{cluster.folder}/node-3")

    def gone():
        return [n["node"] for n in cluster.run(0, "cluster", "status")["nodes"] if not n["live"]]

    wait_for(lambda: len(gone()) == 1, "the others notice")
    cluster.run(0, "cluster", "remove", str(gone()[0]))
    cluster.start()
    wait_for(lambda: cluster.run(0, "cluster", "status")["whole"] == 256, "copies are whole again")
    wait_for(lambda: answers(cluster, 2, merchants[0]), "the new node answers")
    time.sleep(1)
    load.finish()
    for node in range(3):
        check_counts(cluster, node, merchants, [load])
