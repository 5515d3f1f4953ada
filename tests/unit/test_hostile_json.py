"""What JSON from the network can do to the process; read in a process of its own, for it might die."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from keeper.domain.errors import KeeperError
from {module} import {read}

sys.setrecursionlimit({limit})
for depth in 900, 9_000, 30_000, 90_000, 120_000:
    arrays = "[" * depth + "]" * depth
    objects = '{{"a":' * depth + "0" + "}}" * depth
    for deep in arrays, objects, "[" * depth, '{{"a":' * depth, '[{{"a":' * depth:
        for template in (
            "DEEP",
            '[DEEP, {{"id":1,"result":0}}]',
            '{{"id":1,"result":DEEP}}',
            '{{"id":1,"error":{{"code":1,"message":"","data":DEEP}}}}',
            '{{"method":"eth_subscription","params":DEEP}}',
            '{{"parsed":DEEP,"binary":{{"encoding":"hex","data":[]}}}}',
            '{{"binary":{{"more":DEEP,"encoding":"hex","data":[]}}}}',
            '{{"binary":{{"encoding":"base64","data":[DEEP]}}}}',
        ):
            print(depth, deep[:10], template, flush=True)
            try:
                found = {read}(template.replace("DEEP", deep))
                str(found)
            except KeeperError:
                pass
print("survived")
"""


@pytest.mark.parametrize("limit", [1_000, 100_000], ids=["as Python sets it", "as py_ecc sets it for web3"])
@pytest.mark.parametrize(("module", "read"), [("keeper.hermes.wire", "parse_updates"), ("keeper.evm.wire", "decode")])
def test_survives_deep_json_whatever_the_recursion_limit_is(module: str, read: str, limit: int) -> None:
    program = PROGRAM.format(module=module, read=read, limit=limit)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "survived")
