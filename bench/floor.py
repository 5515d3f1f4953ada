"""The floor: the tightest plain program that does the keeper's job, to measure the keeper by.

Reads the price stream from a raw socket, judges every feed, slices the due ones out of the signed update, signs, and
posts the transaction over a socket that is kept open. No reconnecting, no retries, no receipts, no logs, no metrics:
whatever it sends it takes for landed. Started as `python -m bench.floor`, told what to do by JSON on its stdin.
"""

import asyncio
import binascii
import json
import struct
import sys
import time
from typing import Any

import msgspec
import uvloop
from coincurve import PrivateKey
from tiny_keccak import keccak256 as keccak

UPDATE_PRICE_FEEDS = keccak(b"updatePriceFeeds(bytes[])")[:4]
MILLION = 1_000_000
FUTURE_TOLERANCE_S = 5
PROOF_NODE_BYTES = 20
PRICE = struct.Struct(">B32sqQiq")
SIZE = struct.Struct(">H")
VAA_AT = 10
"""Where the signed envelope begins, behind its size."""


class Binary(msgspec.Struct):
    """Signed updates as base64."""

    data: list[str]


class Answer(msgspec.Struct):
    """The part of an event that matters."""

    binary: Binary


class Floor:
    """What is on chain, and how to send what differs from it."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.on_chain: dict[bytes, tuple[int, int, int]] = {
            bytes.fromhex(feed): (price, expo, published) for feed, (price, expo, published) in job["on_chain"].items()
        }
        self.threshold: int = job["threshold_ppm"]
        self.max_age_s: int = job["max_staleness_s"]
        self.key = PrivateKey(bytes.fromhex(job["private_key"]))
        self.contract = bytes.fromhex(job["contract"])
        self.chain_id = job["chain_id"]
        self.tip, self.fee_cap = job["tip"], job["fee_cap"]
        self.nonce = job["nonce"]
        self.head = (
            f"POST / HTTP/1.1\r\nHost: {job['rpc_host']}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()
        self.rpc: asyncio.Transport | None = None
        self.decoder = msgspec.json.Decoder(Answer)

    def on_event(self, data: bytes | memoryview) -> None:
        """Send whatever is due in an event."""
        now = time.time()
        blobs, due = [], 0
        for text in self.decoder.decode(data).binary.data:
            spans = []
            blob = binascii.a2b_base64(text)
            count_at = VAA_AT + int.from_bytes(blob[VAA_AT - 2 : VAA_AT])
            at = count_at + 1
            for _ in range(blob[count_at]):
                start = at
                (size,) = SIZE.unpack_from(blob, at)
                kind, feed, price, _, expo, published = PRICE.unpack_from(blob, at + 2)
                at += 2 + size
                at += 1 + blob[at] * PROOF_NODE_BYTES
                if kind == 0 and self.is_due(feed, price, expo, published, now):
                    spans.append(blob[start:at])
                    self.on_chain[feed] = (price, expo, published)
            if spans:
                blobs.append(blob[:count_at] + bytes([len(spans)]) + b"".join(spans))
                due += len(spans)
        if blobs:
            self.send(blobs, due)

    def is_due(self, feed: bytes, price: int, expo: int, published: int, now: float) -> bool:
        """Newer than on chain, sane, and either moved far enough or on chain too old."""
        known = self.on_chain.get(feed)
        if known is None or price <= 0 or expo != known[1]:
            return False
        if not known[2] < published <= now + FUTURE_TOLERANCE_S or now - published > self.max_age_s:
            return False
        moved = abs(price - known[0]) * MILLION >= self.threshold * known[0]
        return moved or now - known[2] >= self.max_age_s

    def send(self, blobs: list[bytes], feeds: int) -> None:
        """Sign and post."""
        heads, tails, offset = [], [], 32 * len(blobs)
        for blob in blobs:
            padded = blob + bytes(-len(blob) % 32)
            heads.append(offset.to_bytes(32))
            tails += [len(blob).to_bytes(32), padded]
            offset += 32 + len(padded)
        call = b"".join([UPDATE_PRICE_FEEDS, (32).to_bytes(32), len(blobs).to_bytes(32), *heads, *tails])
        gas = 100_000 + 40_000 * feeds
        numbers = [self.chain_id, self.nonce, self.tip, self.fee_cap, gas]
        fields = b"".join([*map(rlp_number, numbers), rlp(self.contract), rlp_number(feeds), rlp(call), b"\xc0"])
        signature = self.key.sign_recoverable(keccak(b"\x02" + rlp_list(fields)), hasher=None)
        r, s = signature[:32].lstrip(b"\0"), signature[32:64].lstrip(b"\0")
        raw = b"\x02" + rlp_list(fields + rlp_number(signature[64]) + rlp(r) + rlp(s))
        body = b'{"jsonrpc":"2.0","id":0,"method":"eth_sendRawTransaction","params":["0x%b"]}' % raw.hex().encode()
        assert self.rpc is not None
        self.rpc.write(self.head + b"%d\r\n\r\n" % len(body) + body)
        self.nonce += 1


def rlp(data: bytes) -> bytes:
    """RLP of a byte string."""
    return data if len(data) == 1 and data[0] < 0x80 else rlp_head(len(data), 0x80) + data


def rlp_number(number: int) -> bytes:
    """RLP of a number."""
    return rlp(number.to_bytes((number.bit_length() + 7) // 8))


def rlp_list(items: bytes) -> bytes:
    """RLP of a list whose items are encoded already."""
    return rlp_head(len(items), 0xC0) + items


def rlp_head(size: int, kind: int) -> bytes:
    """The head of an item."""
    if size < 56:
        return bytes([kind + size])
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([kind + 55 + len(length)]) + length


class Stream(asyncio.Protocol):
    """The price stream: an HTTP answer in chunks, each of them one event."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.buffer = bytearray()
        self.in_body = False

    def data_received(self, data: bytes) -> None:
        """Take whole chunks out of the buffer."""
        buffer = self.buffer
        buffer += data
        if not self.in_body:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            del buffer[: end + 4]
            self.in_body = True
        while (line_end := buffer.find(b"\r\n")) > 0:
            start = line_end + 2
            end = start + int(buffer[:line_end], 16)
            if len(buffer) < end + 2:
                return
            event = bytes(buffer[start + len(b"data:") : end])
            del buffer[: end + 2]
            self.floor.on_event(event)


async def main() -> None:
    """Run until killed."""
    job = json.load(sys.stdin)
    floor = Floor(job)
    loop = asyncio.get_running_loop()
    host, port = job["rpc_host"].split(":")
    floor.rpc, _ = await loop.create_connection(asyncio.Protocol, host, int(port))
    host, port = job["hermes_host"].split(":")
    stream, _ = await loop.create_connection(lambda: Stream(floor), host, int(port))
    stream.write(f"GET {job['stream_path']} HTTP/1.1\r\nHost: {job['hermes_host']}\r\n\r\n".encode())
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
