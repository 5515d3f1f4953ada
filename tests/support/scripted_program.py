"""Programs that answer as a test tells them to, and write down what they were asked: kubectl, docker, podman."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

_PROGRAM = """#!{python} -IS
import json, os, pathlib, re, signal, sys, time
home = pathlib.Path({home!r})
asked = " ".join([{name!r}, *sys.argv[1:]])
with (home / "asked").open("a") as log:
    log.write(asked + "\\n")
rules = json.loads((home / "rules").read_text())
for number, (pattern, code, out, times, interrupts, hangs) in enumerate(rules):
    if re.search(pattern, asked) and times != 0:
        rules[number][3] -= 1
        (home / "rules").write_text(json.dumps(rules))
        sys.stdout.write(out)
        if interrupts:
            os.kill(os.getppid(), signal.SIGTERM)
        if hangs:
            time.sleep(20)
            with (home / "asked").open("a") as log:
                log.write("nobody ended " + asked + "\\n")
        sys.exit(code)
"""
_ALWAYS = -1


@dataclass
class ScriptedPrograms:
    """In a folder that goes in front of PATH. The newest rule that fits counts; where none does, all is fine."""

    folder: Path
    rules: list[tuple[str, int, str, int, bool, bool]] = field(default_factory=list)

    def provide(self, *names: str) -> None:
        """Let there be these programs."""
        self.folder.mkdir(exist_ok=True)
        for name in names:
            program = self.folder / name
            program.write_text(_PROGRAM.format(python=sys.executable, home=str(self.folder), name=name))
            program.chmod(0o755)
        self._write()

    def answer(
        self,
        pattern: str,
        out: str = "",
        *,
        code: int = 0,
        times: int = _ALWAYS,
        interrupts: bool = False,
        hangs: bool = False,
    ) -> None:
        """What is asked so is answered so, so many times; later rules count before earlier ones.

        `interrupts`: whoever asks is sent SIGTERM before the program ends; `hangs`: that does not end soon.
        """
        self.rules.insert(0, (pattern, code, out, times, interrupts, hangs))
        self._write()

    def asked(self, pattern: str = "") -> list[str]:
        """All command lines so far with this in them."""
        log = self.folder / "asked"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if pattern in line]

    def _write(self) -> None:
        (self.folder / "rules").write_text(json.dumps(self.rules))
