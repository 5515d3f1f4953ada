"""Where settings are written: the environment, a `.env` file, a YAML file, a preset. Earlier ones win."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dotenv.parser import parse_stream

from keeper.app.problems import Wrong, did_you_mean
from keeper.app.yaml_files import read_yaml


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings that stand in one place, by their names in lower case, and what is wrong there."""

    place: str
    """Where that is, as messages say it."""
    values: Mapping[str, object]
    problems: Sequence[str] = ()
    in_capitals: bool = True
    """Whether names are written in capitals there."""
    path: str = ""
    """What stands before a name, where the settings are those of a block."""
    spelled: Mapping[str, str] = field(default_factory=dict)
    """Names that are written otherwise there."""

    def name(self, name: str) -> str:
        """The setting's name as it is written there."""
        written = self.spelled.get(name, name)
        return f"{self.path}{written.upper() if self.in_capitals else written}"


def settled(layers: Sequence[Layer], alternatives: Sequence[Collection[str]]) -> list[Layer]:
    """The layers, of which earlier ones win; each setting is left only where it counts.

    That is in the first layer that sets it, or sets one that stands for it.
    """
    left = []
    decided: set[str] = set()
    for layer in layers:
        values = {name: value for name, value in layer.values.items() if name not in decided}
        left.append(replace(layer, values=values))
        decided.update(values, *(group for group in alternatives if not values.keys().isdisjoint(group)))
    return left


def from_environ(environ: Mapping[str, str], names: Collection[str]) -> Layer:
    """What the environment sets; variables that are not ours are none of our business."""
    values = {name: environ[name.upper()] for name in names if name.upper() in environ}
    return Layer("the environment", given(values))


def from_dotenv(path: Path, names: Collection[str]) -> Layer:
    """What a `.env` file sets; one that does not exist sets nothing."""
    values: dict[str, object] = {}
    problems = []
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for line in parse_stream(stream):
                if line.error:
                    problems.append(f"{path}, line {line.original.line}: is no NAME=value")
                elif line.key is not None and line.key.lower() in names and line.key.isupper():
                    values[line.key.lower()] = line.value or ""
                elif line.key is not None and (
                    hint := did_you_mean(line.key.upper(), [name.upper() for name in names])
                ):
                    problems.append(f"{line.key} in {path} is not known{hint}")
    except FileNotFoundError:
        pass
    except UnicodeDecodeError:
        problems.append(f"{path} is not UTF-8 text")
    except OSError as exc:
        problems.append(f"{path} cannot be read: {exc.strerror}")
    return Layer(str(path), given(values), problems)


def from_yaml(path: Path, names: Collection[str]) -> Layer:
    """What a YAML file sets; every name in it must be known."""
    try:
        content = read_yaml(path)
    except Wrong as exc:
        return Layer(str(path), {}, [f"{path} {reason}" for reason in exc.reasons])
    if content is None:
        content = {}
    if not isinstance(content, dict):
        hint = ": name a price_pusher file in PRICE_CONFIG_FILE instead" if isinstance(content, list) else ""
        return Layer(str(path), {}, [f"{path} does not hold `name: value` lines{hint}"])
    written = {str(name): value for name, value in content.items()}
    problems = [
        f"{name} in {path} is not known{did_you_mean(name.lower(), names)}"
        for name in written
        if name.lower() not in names
    ]
    values = {name.lower(): value for name, value in written.items() if name.lower() in names}
    return Layer(str(path), given(values), problems, in_capitals=False)


def given(values: Mapping[str, object]) -> dict[str, object]:
    """Empty values count as not set."""
    return {name: value for name, value in values.items() if not isinstance(value, str) or value.strip()}
