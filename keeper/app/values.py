"""How single values are read: text in, a value of the right type and unit out, or Wrong with words that help."""

import re
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeVar

from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import PlainValidator, SecretStr

from keeper.app.problems import Wrong, did_you_mean, shown
from keeper.domain.errors import UsageError
from keeper.domain.units import MILLION, FeedId, Ppm, parse_feed_id

_E = TypeVar("_E", bound=StrEnum)

_WHOLE = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"([0-9]{1,18}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?")
_HEX_KEY = re.compile(r"(0[xX])?[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_VISIBLE_ASCII = re.compile(r"[!-~]+")

_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Private keys of secp256k1 lie between zero and this."""
_PPM_PER_PERCENT = MILLION // 100
_MOST_SIGNERS = 255
_MILLISECONDS = "a whole number of milliseconds"
_MONTH_S = 30 * 24 * 3600
_MONTH_MS = _MONTH_S * 1000


class SignersOf(StrEnum):
    """Signers that settings do not name."""

    CONTRACT = "contract"
    """Those that the contract trusts now, by its own word."""


def one(value: object) -> str:
    """A single value, without the blanks around it."""
    if not isinstance(value, str):
        raise Wrong("one value is wanted, not a list or a block")
    return value.strip()


def several(value: object) -> list[str]:
    """Values in a YAML list, or separated by commas."""
    parts = [one(item) for item in value] if isinstance(value, list) else one(value).split(",")
    return [part.strip() for part in parts if part.strip()]


def whole(value: object, *, what: str, least: int, most: int) -> int:
    """A whole number between two bounds."""
    text = one(value)
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise Wrong(f"{shown(text)} is not {what} from {least} to {most}")
    return int(text)


def port(value: object) -> int:
    """A TCP port; 0 stands for any free one."""
    return whole(value, what="a port", least=0, most=65535)


def fraction(value: object) -> Fraction:
    """A number that is not negative, exactly."""
    text = one(value)
    if not _NUMBER.fullmatch(text):
        raise Wrong(f"{shown(text)} is not a number such as 0.5, zero or more")
    return Fraction(text)


def percent_or_zero(value: object) -> Ppm:
    """A percentage, exactly, as parts per million."""
    ppm = fraction(value) * _PPM_PER_PERCENT
    if ppm.denominator != 1:
        raise Wrong(f"{shown(one(value))} is too fine: 0.0001 percent, one part per million, is the smallest step")
    return Ppm(ppm.numerator)


def percent(value: object) -> Ppm:
    """A percentage above zero, exactly, as parts per million."""
    ppm = percent_or_zero(value)
    if ppm == 0:
        raise Wrong("must be more than 0: the least is 0.0001 percent")
    return ppm


def choice(value: object, choices: type[_E]) -> _E:
    """One of a few words, in any case."""
    text = one(value).lower()
    words = [member.value for member in choices]
    if text not in words:
        raise Wrong(f"{shown(text)} is none of {', '.join(words)}{did_you_mean(text, words)}")
    return choices(text)


def flag(value: object) -> bool:
    """Yes or no."""
    text = one(value).lower()
    if text not in {"true", "false", "yes", "no", "1", "0"}:
        raise Wrong(f"{shown(text)} is neither true nor false")
    return text in {"true", "yes", "1"}


def name(value: object) -> str:
    """A short name that is fit for metrics and URLs."""
    text = one(value)
    if not _NAME.fullmatch(text):
        raise Wrong(f"{shown(text)} is no name: 1 to 32 lower-case letters, digits and hyphens are wanted")
    return text


def label(value: object) -> str:
    """Free text of one line."""
    text = one(value)
    if not text or not text.isprintable():
        raise Wrong("some text is wanted, on one line")
    return text


def address(value: object) -> str:
    """An account or contract, checksummed. The text is never shown: it might be a key in the wrong place."""
    text = one(value)
    if not _ADDRESS.fullmatch(text):
        raise Wrong(f"is not an address: 0x and 40 hex digits are wanted, these are {len(text)} characters")
    digits = text[2:]
    if digits not in {digits.lower(), digits.upper()} and not is_checksum_address(text):
        raise Wrong(
            "is mistyped, by its checksum: copy the address again"
            f" (all in lower case, {text.lower()} would be taken as it is)"
        )
    return str(to_checksum_address(text.lower()))


def signers(value: object) -> tuple[bytes, ...] | SignersOf:
    """Addresses in the order of their indexes, 20 bytes each; only the zero address of an empty seat comes twice.

    Or a word for those who are known elsewhere.
    """
    if isinstance(value, str) and value.strip().lower() in {word.value for word in SignersOf}:
        return SignersOf(value.strip().lower())
    found = [bytes.fromhex(address(text)[2:]) for text in several(value)]
    seated = [signer for signer in found if any(signer)]
    if not seated or len(set(seated)) < len(seated) or len(found) > _MOST_SIGNERS:
        raise Wrong(f"names no signer, one twice, or more than {_MOST_SIGNERS}")
    return tuple(found)


def feed_id(value: object) -> FeedId:
    """A price feed id."""
    text = one(value)
    try:
        return parse_feed_id(text)
    except UsageError as exc:
        raise Wrong(f"{shown(text)} is not a price feed id: 64 hex digits are wanted, 0x in front is fine") from exc


def private_key(value: object) -> SecretStr:
    """A private key as 64 hex digits without 0x."""
    text = one(value)
    if not _HEX_KEY.fullmatch(text):
        raise Wrong(f"is not a private key: 64 hex digits are wanted, 0x in front is fine ({_kind(text)})")
    digits = text[-64:].lower()
    if not 0 < int(digits, 16) < _CURVE_ORDER:
        raise Wrong("is not a private key: its number is zero or too large for the curve secp256k1")
    return SecretStr(digits)


def api_key(value: object) -> SecretStr:
    """A key that goes into an HTTP header."""
    text = one(value)
    if not _VISIBLE_ASCII.fullmatch(text):
        raise Wrong("is not an API key: it holds blanks or characters outside ASCII")
    return SecretStr(text)


def file_text(value: object) -> str:
    """What a file holds, without the blanks around it. Its path is not shown: it might be the secret itself."""
    try:
        text = Path(one(value)).expanduser().read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as exc:
        raise Wrong("names a file that is not UTF-8 text") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else "no path of a file"
        raise Wrong(f"names a file that cannot be read: {why}") from exc
    if not text:
        raise Wrong("names an empty file")
    return text


def new_file(value: object) -> Path:
    """A file that is written to: its folder exists."""
    path = Path(one(value)).expanduser()
    if path.is_dir() or not path.parent.is_dir():
        raise Wrong(f"{path} cannot be written: its folder does not exist, or it is one itself")
    return path


def _kind(text: str) -> str:
    digits = text.removeprefix("0x").removeprefix("0X")
    bare = "hex digits" if re.fullmatch(r"[0-9a-fA-F]*", digits) else "characters, not all of them hex digits"
    return f"these are {len(digits)} {bare}"


def _range(what: str, least: int, most: int) -> PlainValidator:
    return PlainValidator(lambda value: whole(value, what=what, least=least, most=most))


def one_of(choices: type[StrEnum]) -> PlainValidator:
    """Reads a member of the enumeration."""
    return PlainValidator(lambda value: choice(value, choices))


def key_in_file(value: object) -> SecretStr:
    """The private key that a file holds."""
    return private_key(file_text(value))


def secret_in_file(value: object) -> SecretStr:
    """A secret of any kind that a file holds."""
    return SecretStr(file_text(value))


def api_key_file(value: object) -> Path:
    """A file that holds an API key, now and whenever it is read again."""
    api_key(file_text(value))
    return Path(one(value)).expanduser()


Milliseconds = Annotated[int, _range(_MILLISECONDS, 1, _MONTH_MS)]
MillisecondsOrZero = Annotated[int, _range(_MILLISECONDS, 0, _MONTH_MS)]
MillisecondsOrNever = Annotated[
    int | None, PlainValidator(lambda value: whole(value, what=_MILLISECONDS, least=0, most=_MONTH_MS) or None)
]
"""Zero is never."""
Seconds = Annotated[int, _range("a whole number of seconds", 1, _MONTH_S)]
Days = Annotated[int, _range("a whole number of days", 1, 36_500)]
Port = Annotated[int, PlainValidator(port)]
ChainId = Annotated[int, _range("a chain id", 1, 10**18 - 1)]
Count = Annotated[int, _range("a whole number", 0, 1000)]
CountAtLeastOne = Annotated[int, _range("a whole number", 1, 1000)]
Clients = Annotated[int, _range("a number of clients", 0, 1_000_000)]
Frames = Annotated[int, _range("a number of events", 32, 1_000_000)]
"""Events are told in groups of up to 32."""
PercentileOrNone = Annotated[
    int | None, PlainValidator(lambda value: whole(value, what="a percentile", least=0, most=100) or None)
]
"""Zero is none."""
Percent = Annotated[Ppm, PlainValidator(percent)]
Flag = Annotated[bool, PlainValidator(flag)]
Name = Annotated[str, PlainValidator(name)]
Label = Annotated[str, PlainValidator(label)]
Address = Annotated[str, PlainValidator(address)]
FeedIdHex = Annotated[FeedId, PlainValidator(feed_id)]
PrivateKey = Annotated[SecretStr, PlainValidator(private_key)]
PrivateKeyFile = Annotated[SecretStr, PlainValidator(key_in_file)]
SecretFile = Annotated[SecretStr, PlainValidator(secret_in_file)]
ApiKey = Annotated[SecretStr, PlainValidator(api_key)]
ApiKeyFile = Annotated[Path, PlainValidator(api_key_file)]
NewFile = Annotated[Path, PlainValidator(new_file)]
