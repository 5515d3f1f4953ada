"""How deep JSON is nested, told before it is decoded: decoders recurse, and the stack of a process is finite."""

MAX_DEPTH = 32
"""Far deeper than anything genuine, and far from what a stack holds."""
MAX_MARKS = 2**18
"""Brackets, and quotes around brackets, in one text: more than fifty thousand event logs have."""

_OTHERS = bytes(set(range(256)) - set(b'"[]{}'))


def refuse_deep_nesting(text: bytes | str) -> None:
    """Raise ValueError where JSON is nested deeper than MAX_DEPTH, and for long JSON whose brackets do not match.

    Meant for decoders of values of any type; what a typed one skips takes a tenth of the stack. In Python 3.11 decoders
    written in C are bounded by the recursion limit alone, and any library may lift that for the whole process, beyond
    what the stack holds: py_ecc does, which web3 and eth-account import.
    """
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and not _is_shallow(data):
        raise ValueError(f"its brackets do not match, are too many, or are nested deeper than {MAX_DEPTH} levels")


def _is_shallow(data: bytes) -> bool:
    """Whether nothing is left without strings and, again and again, empty pairs: a round takes one level or two."""
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = unescaped.translate(None, _OTHERS).replace(b'""', b"")
    if len(marks) > MAX_MARKS:
        return False
    brackets = b"".join(marks.split(b'"')[::2])
    for _ in range(MAX_DEPTH // 2):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets
