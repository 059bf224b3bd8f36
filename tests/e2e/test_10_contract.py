"""docs/reference/openapi.json: well made, and what a node does."""

import json
import os
import shutil
import subprocess

from harness import ROOT, check_equal
from test_4_clients import javascript, npm

SOURCE = ROOT / "tests/e2e/openapi"
FOLDER = ROOT / "build/e2e/openapi"


def run_script(*words, timeout):
    mark, wanted = FOLDER / "installed.json", (SOURCE / "package.json").read_text()
    binary = javascript()
    if not mark.exists() or mark.read_text() != wanted:
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / "package.json", FOLDER / "package.json")
        npm("install", cwd=FOLDER)
        mark.write_text(wanted)
    for name in ("contract.mjs", "redocly.yaml"):
        shutil.copy(SOURCE / name, FOLDER / name)
    env = dict(os.environ, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true",
               NODE_NO_WARNINGS="1", CI="1")
    done = subprocess.run([binary, *map(str, words)], cwd=FOLDER, stdin=subprocess.DEVNULL, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    check_equal(done.returncode, 0, f"exit code of {words[0]}\n{done.stdout[-6000:]}")
    return done.stdout


def test_the_contract_is_well_made(workspace):
    run_script("node_modules/@redocly/cli/bin/cli.js", "lint", "--config", "redocly.yaml",
               ROOT / "docs/reference/openapi.json", timeout=120)


def test_every_answer_is_as_the_contract_says(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    made = json.loads(node.cli("key", "create", "--scope", "platform", "--no-create", "-o", "json"))
    said = run_script("contract.mjs", f"http://127.0.0.1:{node.port}", write, read, made["key"],
                      workspace.options.seed, 400, timeout=500)
    check_equal(node.terminate(), 0, f"exit code of the node\n{said}")
