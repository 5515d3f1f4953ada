"""How settings are declared, and what those of a network and those of the process have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from keeper.app.values import Flag


def setting(meaning: str, default: str | None = None, *, name: str | None = None, example: str | None = None) -> Any:  # noqa: ANN401 - as Field
    """A setting that need not be set. Its default is written as an operator would, and read in the same way.

    An `example` is for one that something else may have to make up for.
    """
    return Field(default=default, description=meaning, alias=name, examples=[example] if example else None)


def required(meaning: str, *, example: str) -> Any:  # noqa: ANN401 - as Field
    """A setting without which nothing works."""
    return Field(description=meaning, examples=[example])


class Common(BaseModel):
    """What is read before all addresses, of whatever kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    allow_plaintext: Flag = setting("Permits http and ws to hosts outside this machine and private networks.", "false")
