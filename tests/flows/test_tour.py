"""The tour of the demo, from beginning to end, by the command a newcomer types."""

import json
import subprocess
import sys


def test_the_tour_walks_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "regie.cli", "demo", "--smoke", "--json"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], len(told["steps"])) == (0, True, 12), done.stdout
