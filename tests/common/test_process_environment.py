"""A process that computes has its variables before torch is loaded, and the user's own stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from ccsd.common.process_environment import VARIABLES

STARTED = """
import json, os, sys
import ccsd.__main__
from ccsd.common.process_environment import start_with_variables
start_with_variables()
print(json.dumps([os.getpid(), sys.argv[1:], "torch" in sys.modules, dict(os.environ)]))
"""


def test_a_command_starts_anew_with_the_variables_under_the_same_process_id() -> None:
    bare = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, "-c", STARTED, "an argument"]
    with subprocess.Popen(command, env={**bare, "OMP_WAIT_POLICY": "ACTIVE"}, stdout=subprocess.PIPE) as process:
        number, arguments, with_torch, environment = json.loads(process.communicate()[0])
    assert (number, arguments, with_torch) == (process.pid, ["an argument"], False)
    assert environment.items() >= {**VARIABLES, "OMP_WAIT_POLICY": "ACTIVE"}.items()
