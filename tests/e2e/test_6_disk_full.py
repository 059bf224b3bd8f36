"""A full disk refuses with 503 before anything breaks, and heals when space returns."""

import os
import subprocess
import time

from harness import Skip, check, check_equal, verify


def small_disk(workspace, mib):
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    place = workspace.path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Skip(f"cannot mount a tmpfs here: {done.stdout.strip()}")
    workspace.closers.append(lambda: subprocess.run(["umount", "-l", str(place)]))
    return place


def batch(n):
    return [{"id": f"{n}-{i}", "at": 1_290_000_000_000 + n, "name": "page_view",
             "visitor": f"v{n}-{i}", "title": os.urandom(300).hex()} for i in range(500)]


def test_a_full_disk_refuses_and_heals(workspace):
    place = small_disk(workspace, 640)
    node = workspace.node(data_dir=place / "data", env={
        "TALLY_ENGINE_RESERVE_BYTES": "64MiB", "TALLY_ENGINE_SEGMENT_BYTES": "8MiB"}).start()
    write, read = node.create_merchant("shop")
    counted, n = 0, 0
    while n < 1_000:
        answer = node.send(write, batch(n))
        if answer.status == 503:
            break
        check(answer.status in (200, 202), f"status {answer.status}: {answer.body[:200]!r}")
        counted += 500
        n += 1
        if n == 20:  # the rest of the disk goes to somebody else
            free = os.statvfs(place)
            with open(place / "ballast", "wb") as f:
                f.write(b"x" * max(0, free.f_bavail * free.f_frsize - (80 << 20)))
    check_equal(answer.status, 503, f"status after {n} batches on a full disk")
    check(answer.headers.get("Retry-After"), "503 says when to try again")
    check(node.alive(), "the node lives on a full disk")
    check_equal(node.totals(read, "shop", ["events"])["events"], counted, "questions on a full disk")
    check_equal(node.request("GET", "/readyz", port=node.admin_port).status, 503, "readyz on a full disk")
    (place / "ballast").unlink()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        answer = node.send(write, batch(n))
        if answer.status == 200:
            break
        check_equal(answer.status, 503, "status while the disk heals")
        time.sleep(0.2)
    check_equal(answer.status, 200, "status once space returned")
    receipt = answer.json()
    check_equal(receipt["accepted"] + receipt["duplicate"], 500, "events of the batch sent again")
    counted += 500
    check_equal(node.totals(read, "shop", ["events"])["events"], counted, "counted after healing")
    node.kill()
    verify(node.data_dir)
    node.start()
    check_equal(node.totals(read, "shop", ["events"])["events"], counted, "counted after kill -9")
