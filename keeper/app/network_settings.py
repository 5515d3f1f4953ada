"""What is set for each network: its chain, account, feeds, thresholds, fees. `loading.load` fills it."""

from enum import StrEnum
from typing import Annotated

from pydantic import PlainValidator, SecretStr

from keeper.app.chains import CHAINS, KnownChain
from keeper.app.contracts import contract
from keeper.app.endpoints import Endpoint, rpc_endpoints, secrets_in
from keeper.app.feed_groups import grouped_entries
from keeper.app.feeds import EarlyUpdate, Feed, FeedEntry, Thresholds, entries, entries_of_ids
from keeper.app.fields import Common, required, setting
from keeper.app.money import Coins, FeeStrategy, FixedFee, Gwei, GweiOrZero, Headroom, MaxTip, Multiplier
from keeper.app.presets import Preset
from keeper.app.price_config import read_price_config
from keeper.app.values import (
    Address,
    ChainId,
    Count,
    CountAtLeastOne,
    Flag,
    Milliseconds,
    MillisecondsOrNever,
    MillisecondsOrZero,
    Name,
    Percent,
    PercentileOrNone,
    PrivateKey,
    PrivateKeyFile,
    Seconds,
    SignersOf,
    one_of,
    signers,
)
from keeper.evm.multicall import MULTICALL3
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.rivals import IfNecessary


class Broadcast(StrEnum):
    """To whom a transaction is handed."""

    FIRST = "first"
    ALL = "all"


class NetworkSettings(Common):
    """Settings of one network, checked. A field's name, or the name given with it, is what it is set by."""

    given_key: PrivateKey | None = setting(
        "Key of the account that sends and pays: 64 hex digits, 0x in front is fine.", name="private_key"
    )
    key_in_file: PrivateKeyFile | None = setting(
        "A file that holds the key, instead of `PRIVATE_KEY`.", name="private_key_file"
    )
    rpc_url: Annotated[tuple[Endpoint, ...], PlainValidator(rpc_endpoints)] = required(
        "RPC nodes of the chain: one or several http(s) or ws(s) URLs with commas between, tried in order.",
        example="https://rpc.example.org",
    )
    chain_id: ChainId | None = setting("The chain's id. Where it is set, nodes of any other chain are refused.")
    contract_address: Annotated[str, PlainValidator(contract)] = setting(
        "The Pyth contract: its address, or `core` or `compatible` where `CHAIN_ID` is a known chain's. Not set, it is"
        " the Pyth Core contract of such a chain.",
        example="0x4305FB66699C3B2702D4d05CF36551390A4c69C6",
    )
    network_name: Name = setting("What logs, metrics and `/status` call the chain.", "evm")

    feed_ids: Annotated[tuple[FeedEntry, ...], PlainValidator(entries_of_ids)] | None = setting(
        "The feeds to keep fresh: their ids with commas between.", name="price_feed_ids"
    )
    feed_list: Annotated[tuple[FeedEntry, ...], PlainValidator(entries)] | None = setting(
        "Only in YAML: the feeds as a list of ids, or of blocks with an alias and thresholds of their own.",
        name="feeds",
    )
    feeds_of_groups: Annotated[tuple[FeedEntry, ...], PlainValidator(grouped_entries)] | None = setting(
        "Only in YAML, in a block of `networks`: names of groups whose feeds are kept fresh, besides those of `feeds`.",
        name="feed_groups",
    )
    price_config_feeds: Annotated[tuple[Feed, ...], PlainValidator(read_price_config)] | None = setting(
        "A price_pusher price-config file, read as it is: it names the feeds and all their thresholds.",
        name="price_config_file",
    )

    preset: Annotated[Preset, one_of(Preset)] | None = setting(
        "`speed`, `cost` or `trading`: sets what is not set otherwise."
    )
    debounce_ms: MillisecondsOrZero = setting("Pushes start at least this far apart.", "1000")
    debounce_mode: Annotated[DebounceMode, one_of(DebounceMode)] = setting(
        "`leading` pushes the first due feed of a quiet time at once, `trailing` collects for a whole `DEBOUNCE_MS`"
        " first.",
        "leading",
    )
    min_price_change_percent: Percent = setting(
        "A feed is due when its price differs from the one on chain by so many percent.", "0.01"
    )
    max_staleness: Seconds = setting(
        "A feed is due when its price on chain is so many seconds old. Source prices older than that are not pushed.",
        "30",
    )
    force_update_interval_ms: MillisecondsOrNever = setting(
        "All feeds are pushed this often, whatever their thresholds say; 0 is never. With `PRICE_CONFIG_FILE` the"
        " default is 0, for price_pusher knows no such thing.",
        "300000",
    )
    early_update: Annotated[EarlyUpdate, one_of(EarlyUpdate)] = setting(
        "Whether feeds that are not due join a push that goes out anyway: `cheaper` if that saves money, `always`, or"
        " `never`.",
        "cheaper",
    )
    confidence_trigger_percent: Percent | None = setting(
        "A feed is due when its confidence interval is so many percent of its price."
    )
    confidence_veto_percent: Percent | None = setting(
        "A price is not pushed when its confidence interval is so many percent of it."
    )

    monitoring_interval_ms: Milliseconds = setting(
        "How often prices, balance and update fee on chain are read anew; without a WebSocket more often while others"
        " push too.",
        "300000",
    )
    state_polling_enabled: Flag = setting("`true` follows the chain by polls alone, whatever the nodes offer.", "false")
    multicall_address: Address = setting(
        "Where Multicall3 is on that chain. Where there is none, reads are JSON-RPC batches.", MULTICALL3
    )
    retry_attempts: Count = setting("How often a push that no node takes is tried again.", "3")
    retry_delay_ms: Milliseconds = setting("The time before the first retry; it doubles with each.", "5000")
    resend_after_ms: Milliseconds = setting(
        "A transaction of which nothing is seen for so long is sent once more, as it is.", "15000"
    )
    replace_after_blocks: Count = setting(
        "A transaction that is not mined after so many blocks is replaced, with fresher prices and higher fees; 0 is "
        "never, for chains that serve first come, first.",
        "2",
    )
    confirmations: Count = setting("A transaction so many blocks deep is final.", "2")
    max_in_flight: CountAtLeastOne = setting("So many transactions may wait to be mined at a time.", "1")
    broadcast: Annotated[Broadcast, one_of(Broadcast)] = setting(
        "A transaction is handed to the `first` RPC node that answers, or to `all` at once.", "first"
    )
    if_necessary: Annotated[IfNecessary, one_of(IfNecessary)] = setting(
        "Whether a push costs half where somebody else was faster, and a little more where not: `auto` for an hour"
        " after others have pushed, `always`, or `never`.",
        "auto",
    )

    hermes_signers: Annotated[tuple[bytes, ...] | SignersOf, PlainValidator(signers)] | None = setting(
        "Addresses of those who sign prices, with commas between, in the order of their indexes, or `contract` for"
        " those that the contract names itself: an update that they did not sign is not paid for. Unset leaves that"
        " check to the contract."
    )
    hermes_signers_quorum: CountAtLeastOne | None = setting(
        "So many of them must have signed; more than half where that is not set."
    )

    max_fee_gwei: Gwei = setting("No transaction offers more for a unit of gas, replacements included.", "500")
    fee_fixed_gwei: FixedFee | None = setting("What `FEE_STRATEGY=fixed` offers.")
    fee_strategy: FeeStrategy = setting(
        "`auto` bids by EIP-1559 where the chain has base fees and by its gas price elsewhere; `eip1559`, `legacy` or"
        " `fixed` says which.",
        "auto",
    )
    base_fee_multiplier: Headroom = setting("The fee cap leaves room for the base fee to rise so many times.", "2")
    tip_percentile: PercentileOrNone = setting(
        "The tip is what the latest blocks took at this percentile; 0 leaves it to the node's suggestion.", "50"
    )
    tip_multiplier: Multiplier = setting("The tip is multiplied by this.", "1")
    min_tip_gwei: GweiOrZero = setting("The tip is no lower than this.", "0")
    max_tip_gwei: MaxTip | None = setting("The tip is no higher than this.")
    gas_price_multiplier: Multiplier = setting(
        "Where there are no base fees, the gas price is multiplied by this.", "1"
    )
    daily_budget: Coins | None = setting(
        "When so many coins are spent on one day (UTC), only heartbeats are sent, and at one and a half times as many"
        " nothing."
    )
    low_balance: Coins | None = setting("While the account holds fewer coins than this, only heartbeats are sent.")

    @property
    def private_key(self) -> SecretStr:
        """The key of the sending account: 64 hex digits without 0x."""
        key = self.given_key or self.key_in_file
        assert key is not None, "one of the two is required"
        return key

    @property
    def known_chain(self) -> KnownChain | None:
        """What is known of the chain; None for any other, and where `CHAIN_ID` is not set."""
        return CHAINS.get(self.chain_id or 0)

    @property
    def outbids(self) -> bool:
        """Whether a higher fee gets a transaction in earlier, by the operator's word or what is known of the chain."""
        known = self.known_chain
        return self.replace_after_blocks > 0 and (known is None or known.outbids)

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feeds to keep fresh, and when each is due."""
        common = Thresholds(
            min_price_change=self.min_price_change_percent,
            max_staleness_s=self.max_staleness,
            confidence_trigger=self.confidence_trigger_percent,
            confidence_veto=self.confidence_veto_percent,
            early=self.early_update,
        )
        if self.price_config_feeds is not None:
            return self.price_config_feeds
        own = self.feed_ids or self.feed_list or ()
        named = {entry.id for entry in own}
        of_groups = (entry for entry in self.feeds_of_groups or () if entry.id not in named)
        return tuple(entry.feed(common) for entry in (*own, *of_groups))

    def secrets(self) -> tuple[str, ...]:
        """Whatever must never be shown."""
        urls = [endpoint.url.get_secret_value() for endpoint in self.rpc_url]
        return (self.private_key.get_secret_value(), *(part for url in urls for part in secrets_in(url)))
