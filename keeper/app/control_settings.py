"""The token for orders over HTTP."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, SecretStr

from keeper.app.problems import Wrong
from keeper.app.values import api_key, file_text, one
from keeper.domain.errors import UsageError

_SHORTEST = 16


def control_token(value: object) -> SecretStr:
    """A token that nobody guesses."""
    try:
        token = api_key(value)
    except Wrong as exc:
        raise Wrong("is no token: it holds blanks or characters outside ASCII") from exc
    if len(token.get_secret_value()) < _SHORTEST:
        raise Wrong(f"is too short: at least {_SHORTEST} characters are wanted, `openssl rand -hex 32` makes some")
    return token


def control_token_file(value: object) -> Path:
    """A file that holds one, now and whenever it is read again."""
    control_token(file_text(value))
    return Path(one(value)).expanduser()


ControlToken = Annotated[SecretStr, PlainValidator(control_token)]
ControlTokenFile = Annotated[Path, PlainValidator(control_token_file)]


def token_reader(token: SecretStr | None, file: Path | None) -> Callable[[], str] | None:
    """What tells the token as of now; None where there is none. It raises UsageError where the file holds none."""
    if file is None:
        return None if token is None else token.get_secret_value

    def read() -> str:
        try:
            return control_token(file_text(str(file))).get_secret_value()
        except Wrong as exc:
            raise UsageError(f"CONTROL_TOKEN_FILE {'; '.join(exc.reasons)}") from exc

    return read
