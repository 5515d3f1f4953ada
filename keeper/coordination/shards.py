"""How shards are shared out: a replica that holds two fewer than another asks that one for a shard.

No list of replicas is kept. Whoever waits for a shard writes its name into the record (a claim), the holder ends there
in order and lets go, and for a moment nobody else takes what was claimed. All is done when no two differ by more than
one.
With one shard nobody ever claims: one replica sends, the others stand by.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from keeper.coordination.lease import Lease

CLAIM = "claim"
_CLAIMED_S = 1.5
"""For so long what was let go is left to whoever claimed it."""
_HOLD_BACK_S = 0.1
_LONGEST_HOLD_BACK_S = 0.3


def shard_to_claim(me: str, waiting: Collection[str], board: Mapping[str, Lease]) -> str | None:
    """The shard to ask for, among those that this replica waits for; one claim at a time."""
    met = {shard: board[shard].notes[CLAIM] for shard in _to_be_yielded(board)}
    if me in met.values():
        return None
    loads = Counter(met.get(shard, lease.holder) for shard, lease in board.items() if lease.holder)
    choices = [
        (-loads[lease.holder], shard)
        for shard, lease in board.items()
        if shard in waiting and lease.holder and shard not in met and loads[lease.holder] >= loads[me] + 2
    ]
    return min(choices)[1] if choices else None


def shards_to_yield(me: str, board: Mapping[str, Lease]) -> frozenset[str]:
    """Those of this replica that others claim with good reason."""
    loads = Counter(lease.holder for lease in board.values() if lease.holder)
    yielded = set()
    for shard in sorted(board):
        lease = board[shard]
        if lease.holder == me and _is_claimed(lease) and loads[me] >= loads[lease.notes[CLAIM]] + 2:
            yielded.add(shard)
            loads[me] -= 1
            loads[lease.notes[CLAIM]] += 1
    return frozenset(yielded)


def hold_back_s(me: str, lease: Lease, held: int) -> float:
    """For how long to leave what is free to others: to whoever claimed it, else to those who hold less."""
    claimed = lease.notes.get(CLAIM, me)
    return _CLAIMED_S if claimed != me else min(held * _HOLD_BACK_S, _LONGEST_HOLD_BACK_S)


def _is_claimed(lease: Lease) -> bool:
    return lease.notes.get(CLAIM, lease.holder) != lease.holder


def _to_be_yielded(board: Mapping[str, Lease]) -> frozenset[str]:
    """What is claimed with good reason. Other claims are as good as none: they may have had a reason once."""
    holders = {lease.holder for lease in board.values() if lease.holder}
    return frozenset[str]().union(*(shards_to_yield(holder, board) for holder in holders))
