"""Every socket of the house: what the flow asks of the outside world, as protocols."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Never, Protocol, TypeAlias

from keeper.domain.accumulator import Update
from keeper.domain.events import Event
from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.orders import Addressee, Pause, PushRequest, Standing
from keeper.domain.price import Price
from keeper.domain.signers import ContractSigners
from keeper.domain.status import EndpointStatus, KeeperStatus, Leadership, SourceStatus
from keeper.domain.transaction import FeedWrite, Flight, Receipt, SignedTransaction, Transaction
from keeper.domain.units import FeedId, Gas, Wei

Emit: TypeAlias = Callable[[Event], None]
"""Tells everybody who listens; never blocks and never raises."""


NO_CONDITIONS: Mapping[FeedId, int] = MappingProxyType({})


class Clock(Protocol):
    """The one reader of time."""

    def now(self) -> float:
        """Unix seconds, the wall clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PriceEvent:
    """Prices that arrived together: one decoded update, or several where feeds come from different slots."""

    updates: tuple[Update, ...]
    source: str
    """The endpoint, as its status row calls it. What several deliver byte for byte is one and the same Update."""
    arrived: float
    """Monotonic seconds at which its last byte was read."""


Deliver: TypeAlias = Callable[[PriceEvent], None]


class PriceSource(Protocol):
    """Where prices come from."""

    async def run(self, deliver: Deliver) -> Never:
        """Deliver every event once, in order, for ever: outages are survived, never raised."""
        ...

    def subscribe(self, feeds: Sequence[FeedId]) -> None:
        """Deliver these from now on, instead of those before."""
        ...

    def status(self) -> Sequence[SourceStatus]:
        """One row a source."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What changes by itself on the chain."""

    block: int
    balance: Wei
    prices: Mapping[FeedId, Price | None]
    """None for a feed that was never pushed."""
    update_fee: UpdateFee | None = None
    """By the contract's constants; None where they were not asked for, or there are none."""
    valid_period_s: int | None = None
    """For how long readers take a price for good; None likewise."""
    version: str = ""
    """Which one the contract is, where it tells that."""
    signers: ContractSigners | None = None
    """Who signs prices; None before `Chain.signers` was asked, where that has changed since, and without Multicall3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState(Glance):
    """One consistent look at the chain."""

    block_gas_limit: Gas
    market: FeeMarket
    nonce: int
    """Transactions of the account mined so far: the next nonce if none is pending."""
    implementation: str = ""
    """Address of the code behind the contract, where that is a proxy by ERC-1967."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a push costs by the contract's and the chain's own word, asked with a real update."""

    update_fee: UpdateFee
    gas: Gas | None
    """Estimate for the sample; None where the node refuses to estimate it."""
    refusal: str = ""
    """Why it does."""
    untrusted: bool = False
    """Whether it does because the contract does not trust who signed the sample."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at some transactions showed."""

    receipts: Mapping[bytes, Receipt]
    """By transaction hash; those that are mined."""
    block: int | None = None
    """The newest one, where it was asked for."""
    base_fee: Wei | None = None
    """Of that block; None on a chain without EIP-1559."""


@dataclass(frozen=True, slots=True)
class Head:
    """A new block."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    base_fee: Wei | None
    gas_limit: Gas


class ChainListener(Protocol):
    """Who follows a chain."""

    def on_live(self, *, live: bool) -> None:
        """Heads and events arrive by themselves from now on, or no longer.

        What was missed has been told by then; of a long gap only the end, so a view of the chain is to be read anew.
        """
        ...

    def on_head(self, head: Head) -> None:
        """A new head: each once, in order; one whose parent is not the head before tells of a reorganisation."""
        ...

    def on_writes(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:
        """The contract stored prices, in whoever's transaction: each once."""
        ...

    def on_change(self, name: str, block: int) -> None:
        """The contract told by an event of this name that it was changed: its fees, its code, whom it trusts."""
        ...

    def on_unwritten(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:
        """A reorganisation took these back."""
        ...


class Chain(Protocol):
    """One EVM chain with its Pyth contract, as one account sees it.

    Methods raise Transient when no endpoint answers.
    """

    async def connect(self) -> int:
        """Open the connections and return the chain id; raises Fatal where the endpoints serve other chains."""
        ...

    async def read(self, feeds: Sequence[FeedId]) -> ChainState:
        """Prices of the feeds, fees, balance and nonce in one batched request."""
        ...

    async def glance(self, feeds: Sequence[FeedId]) -> Glance:
        """Prices of the feeds, balance and update fee: one request where the chain offers that."""
        ...

    async def market(self) -> FeeMarket:
        """Fees alone."""
        ...

    async def terms(self, sample: bytes) -> Terms:
        """The contract's fee and the gas of pushing `sample`, update data of one feed."""
        ...

    async def signers(self, named: Collection[int]) -> ContractSigners:
        """Who signs prices by the contract's own word: the current set, and those of these numbers.

        Raises Transient where the contract does not tell, too.
        """
        ...

    def calldata(self, blobs: Sequence[bytes], conditions: Mapping[FeedId, int] = NO_CONDITIONS) -> bytes:
        """Calldata of the push of these update data.

        `conditions`: publish times by feed; the contract reverts where none of these feeds is older on chain.
        """
        ...

    async def error_of(self, calldata: bytes, value: Wei, block: int) -> str:
        """The contract's error for this push after that block, by name; empty where it takes it, or does not tell."""
        ...

    async def broadcast(self, signed: SignedTransaction, *, everywhere: bool = False) -> str:
        """Send the bytes: one request to the first endpoint that gives an answer, whose name is returned.

        `everywhere`: one request to every endpoint at once, and the first acceptance counts.

        A node that knows the transaction already has accepted it. Raises SendRefused for a verdict, Uncertain when the
        bytes may have reached a node, other Transient errors when they have reached none.
        """
        ...

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """The receipt, or None while the transaction is not mined."""
        ...

    async def look(self, tx_hashes: Sequence[bytes], *, with_block: bool) -> Look:
        """The receipts of these transactions, in one batch."""
        ...

    async def search(self, tx_hashes: Sequence[bytes]) -> Mapping[bytes, Receipt]:
        """The same by the word of up to two endpoints: one that is behind others does not know the newest."""
        ...

    async def mined_nonces(self) -> Sequence[int]:
        """Transactions of the account mined so far, by the word of up to two endpoints: they may lag, or lie."""
        ...

    async def follow(self, listener: ChainListener) -> None:
        """Tell of new heads and stored prices by subscription, for ever; returns where no endpoint offers that."""
        ...

    async def recovered(self) -> None:
        """Return as soon as some endpoint answers again, or no longer asks to be left alone; at once where one does.

        For whoever has met a Transient error: endpoints that fail are probed in the background meanwhile.
        """
        ...

    async def mined_nonce(self) -> int:
        """Transactions of the account mined so far."""
        ...

    async def pending_nonce(self) -> int:
        """Transactions of the account mined so far and those that a node holds to follow: it may know of fewer."""
        ...

    def endpoints(self) -> Sequence[EndpointStatus]:
        """One row an endpoint."""
        ...

    def calls(self) -> Mapping[str, int]:
        """JSON-RPC requests made so far, by method."""
        ...

    def calls_last_hour(self) -> Mapping[str, int]:
        """Those of the last hour, to the minute."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """Whose pushes a journal keeps apart."""

    network: str
    chain_id: int
    address: str
    """Checksummed."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line in the history of a push."""

    at: float
    """Unix seconds."""
    kind: str
    """`signed`, `sent`, `taken`, `unanswered`, `refused`, `mined`, `orphaned`, or the state it ended in."""
    tx_hash: bytes | None = None
    endpoint: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal knows of an account when the keeper starts."""

    flights: Sequence[Flight]
    """Those that have not ended, by nonce. Their plans hold no update data: the signed bytes do."""
    last_push: int
    """Number of the latest push ever; 0 before the first."""


class Journal(Protocol):
    """The durable record of every push. Methods raise JournalError when it cannot be written or read."""

    async def open(self) -> None:
        """Connect, or connect anew, and bring the tables up to date."""
        ...

    async def begin_term(self, account: Account) -> int:
        """From now on this journal alone writes records of the account; returns the term's number, which grows.

        What others have recorded until then is there, and nothing comes after: see `record`.
        """
        ...

    async def record(self, account: Account, flight: Flight, note: Note) -> None:
        """Make the flight's state and one more line of its history durable, in one step, before returning.

        A note of kind `signed` brings the flight's newest attempt with its bytes: nothing is broadcast before.
        Raises MandateLost where somebody has begun a later term than this journal has: then nothing is recorded.
        """
        ...

    async def recover(self, account: Account) -> Recovered:
        """What has not ended."""
        ...

    async def spent(self, account: Account, since: float) -> Wei:
        """Cost of all transactions mined since then (Unix seconds)."""
        ...

    async def prune(self, before: float) -> int:
        """Delete the history of pushes that ended before then (Unix seconds); returns how many."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class Orders(Protocol):
    """What operators ask of keepers, wherever these run. Methods raise Transient where it cannot be written or read."""

    async def ask(self, addressee: Addressee, request: PushRequest, now: float) -> None:
        """Leave a request for whoever keeps the feeds; it is not heeded any more after half a minute."""
        ...

    async def pause(self, addressee: Addressee, pause: Pause) -> None:
        """Stop it until `resume`, beyond its restart; a pause that stands already stays as it is."""
        ...

    async def resume(self, addressee: Addressee, *, by: str, now: float) -> None:
        """End the pause, if one stands."""
        ...

    async def look(self, addressees: Collection[Addressee]) -> Mapping[Addressee, Standing]:
        """What each is to heed, in one look."""
        ...

    async def take(self, addressee: Addressee, now: float) -> PushRequest | None:
        """All requests that wait, as one, each given out once; None where there is none, or none is fresh."""
        ...


class FlightJournal(Journal, Protocol):
    """A journal as the flow uses it: it may be allowed to fail."""

    @property
    def degraded(self) -> bool:
        """Whether it fails, or is behind: then only one push is in flight at a time."""
        ...


class Mandate(Protocol):
    """The right to send for one account on one chain: no two processes have it at a time."""

    @property
    def send_s(self) -> float | None:
        """A hand-over to a node must take no longer; None where there is no limit."""
        ...

    async def gain(self, account: Account) -> None:
        """Stand by for it, and return once it is held. Raises UsageError where another process has it for good."""
        ...

    def assure(self) -> None:
        """Before anything is signed, and before it is handed over; costs next to nothing.

        Raises MandateLost where another process might have it before a hand-over is through: then it is not held any
        more.
        """
        ...

    async def asked_back(self) -> None:
        """Return once another process should have it: what is in flight may land before it is given back."""
        ...

    async def lost(self) -> None:
        """Return once it is not held any more."""
        ...

    def overtaken(self, why: str) -> None:
        """The journal is in another process's term: it is not held, whatever else tells so.

        Where nothing is there to agree by, `gain` raises UsageError from then on.
        """
        ...

    async def release(self) -> None:
        """Give it back, now that nothing will be sent any more: another process may have it at once. Never raises."""
        ...

    def status(self) -> Leadership:
        """As of now."""
        ...


class Signer(Protocol):
    """Whoever holds the key."""

    @property
    def address(self) -> str:
        """The account, checksummed."""
        ...

    async def sign(self, transaction: Transaction) -> SignedTransaction:
        """Sign; raises KeeperError."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """All that the flow of one network asks of the outside world."""

    chain: Chain
    signer: Signer
    journal: FlightJournal
    clock: Clock
    emit: Emit
    heard_at: Callable[[], float | None]
    """Unix seconds at which a source brought prices last, new or not; None before the first."""
    orders: Orders
    mandate: Mandate


class Observed(Protocol):
    """What the server shows and may ask of the keeper."""

    def status(self) -> KeeperStatus:
        """Everything as of now."""
        ...
