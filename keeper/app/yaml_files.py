"""Reads YAML as it is written: every scalar stays text, so that no digit of a number or an id is lost."""

from pathlib import Path

import yaml

from keeper.app.problems import Wrong


class _TextLoader(yaml.BaseLoader):
    """Knows text, lists and mappings only, and refuses a name that comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002
        """See the base class, whose signature this is."""
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            names = [str(key.value) for key, _ in node.value]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise yaml.constructor.ConstructorError(None, None, f"{', '.join(twice)} is given twice", node.start_mark)
        return mapping


def read_yaml(path: Path) -> object:
    """The content of a YAML file: text, lists and mappings, or None if it is empty. Raises Wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content: object = yaml.load(text, Loader=_TextLoader)  # noqa: S506 - makes no objects
    except UnicodeDecodeError as exc:
        raise Wrong("is not UTF-8 text") from exc
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else "this is no path of a file"
        raise Wrong(f"cannot be read: {why}") from exc
    except yaml.constructor.ConstructorError as exc:
        raise Wrong(f"{_place(exc)}{exc.problem}") from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise Wrong(f"{_place(exc)}this is not valid YAML") from exc
    return content


def _place(error: BaseException) -> str:
    """Where the fault lies; the parser's own words are left out, for they may quote a secret."""
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
