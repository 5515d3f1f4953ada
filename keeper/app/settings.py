"""Every setting of the keeper: its name, how it is read, its default, and what it means. `loading.load` fills it."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, SecretStr

from keeper.app.endpoints import Endpoint, hermes_endpoints, rpc_endpoints, secrets_in
from keeper.app.feeds import EarlyUpdate, Feed, FeedEntry, Thresholds, entries, entries_of_ids
from keeper.app.hermes_settings import HermesPlace, hermes_places
from keeper.app.journal_settings import DEFAULT_JOURNAL_URL, JournalAddress, journal_address, journal_secrets
from keeper.app.money import Coins, FeeStrategy, FixedFee, Gwei, GweiOrZero, Headroom, MaxTip, Multiplier
from keeper.app.presets import Preset
from keeper.app.price_config import read_price_config
from keeper.app.values import (
    Address,
    ApiKey,
    ApiKeyFile,
    Count,
    CountAtLeastOne,
    Days,
    Flag,
    Label,
    Milliseconds,
    MillisecondsOrNever,
    MillisecondsOrZero,
    Name,
    NewFile,
    Percent,
    PercentileOrNone,
    Port,
    PrivateKey,
    PrivateKeyFile,
    Seconds,
    one_of,
)
from keeper.hermes.config import HermesMode
from keeper.journal.address import PostgresServer, Sync
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.journaling import OnFailure


class LogLevel(StrEnum):
    """The least urgent lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Broadcast(StrEnum):
    """To whom a transaction is handed."""

    FIRST = "first"
    ALL = "all"


class LogFormat(StrEnum):
    """What the lines look like."""

    AUTO = "auto"
    """Text on a terminal, JSON elsewhere."""
    JSON = "json"
    TEXT = "text"


def _setting(meaning: str, default: str | None = None, *, name: str | None = None) -> Any:  # noqa: ANN401 - as Field
    """A setting that need not be set. Its default is written as an operator would, and read in the same way."""
    return Field(default=default, description=meaning, alias=name)


def _required(meaning: str, *, example: str) -> Any:  # noqa: ANN401 - as Field
    return Field(description=meaning, examples=[example])


class Settings(BaseModel):
    """All settings, checked. A field's name, or the name given with it, is what it is set by."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    given_key: PrivateKey | None = _setting(
        "Key of the account that sends and pays: 64 hex digits, 0x in front is fine.", name="private_key"
    )
    key_in_file: PrivateKeyFile | None = _setting(
        "A file that holds the key, instead of `PRIVATE_KEY`.", name="private_key_file"
    )
    allow_plaintext: Flag = _setting("Permits http and ws to hosts outside this machine and private networks.", "false")
    rpc_url: Annotated[tuple[Endpoint, ...], PlainValidator(rpc_endpoints)] = _required(
        "RPC nodes of the chain: one or several http(s) or ws(s) URLs with commas between, tried in order.",
        example="https://rpc.example.org",
    )
    contract_address: Address = _required(
        "The Pyth contract on that chain.", example="0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
    )
    network_name: Name = _setting("What logs, metrics and `/status` call the chain.", "evm")

    feed_ids: Annotated[tuple[FeedEntry, ...], PlainValidator(entries_of_ids)] | None = _setting(
        "The feeds to keep fresh: their ids with commas between.", name="price_feed_ids"
    )
    feed_list: Annotated[tuple[FeedEntry, ...], PlainValidator(entries)] | None = _setting(
        "Only in YAML: the feeds as a list of ids, or of blocks with an alias and thresholds of their own.",
        name="feeds",
    )
    price_config_feeds: Annotated[tuple[Feed, ...], PlainValidator(read_price_config)] | None = _setting(
        "A price_pusher price-config file, read as it is: it names the feeds and all their thresholds.",
        name="price_config_file",
    )

    preset: Annotated[Preset, one_of(Preset)] | None = _setting(
        "`speed`, `cost` or `trading`: sets what is not set otherwise."
    )
    debounce_ms: MillisecondsOrZero = _setting("Pushes start at least this far apart.", "1000")
    debounce_mode: Annotated[DebounceMode, one_of(DebounceMode)] = _setting(
        "`leading` pushes the first due feed of a quiet time at once, `trailing` collects for a whole `DEBOUNCE_MS`"
        " first.",
        "leading",
    )
    min_price_change_percent: Percent = _setting(
        "A feed is due when its price differs from the one on chain by so many percent.", "0.01"
    )
    max_staleness: Seconds = _setting(
        "A feed is due when its price on chain is so many seconds old. Source prices older than that are not pushed.",
        "30",
    )
    force_update_interval_ms: MillisecondsOrNever = _setting(
        "All feeds are pushed this often, whatever their thresholds say; 0 is never. With `PRICE_CONFIG_FILE` the"
        " default is 0, for price_pusher knows no such thing.",
        "300000",
    )
    early_update: Annotated[EarlyUpdate, one_of(EarlyUpdate)] = _setting(
        "Whether feeds that are not due join a push that goes out anyway: `cheaper` if that saves money, `always`, or"
        " `never`.",
        "cheaper",
    )
    confidence_trigger_percent: Percent | None = _setting(
        "A feed is due when its confidence interval is so many percent of its price."
    )
    confidence_veto_percent: Percent | None = _setting(
        "A price is not pushed when its confidence interval is so many percent of it."
    )

    monitoring_interval_ms: Milliseconds = _setting(
        "How often prices, balance and fees on chain are read anew.", "300000"
    )
    retry_attempts: Count = _setting("How often a push that no node takes is tried again.", "3")
    retry_delay_ms: Milliseconds = _setting("The time before the first retry; it doubles with each.", "5000")
    resend_after_ms: Milliseconds = _setting(
        "A transaction of which nothing is seen for so long is sent once more, as it is.", "15000"
    )
    replace_after_blocks: CountAtLeastOne = _setting(
        "A transaction that is not mined after so many blocks is replaced, with fresher prices and higher fees.", "2"
    )
    confirmations: Count = _setting("A transaction so many blocks deep is final.", "2")
    max_in_flight: CountAtLeastOne = _setting("So many transactions may wait to be mined at a time.", "1")
    broadcast: Annotated[Broadcast, one_of(Broadcast)] = _setting(
        "A transaction is handed to the `first` RPC node that answers, or to `all` at once.", "first"
    )

    max_fee_gwei: Gwei = _setting("No transaction offers more for a unit of gas, replacements included.", "500")
    fee_fixed_gwei: FixedFee | None = _setting("What `FEE_STRATEGY=fixed` offers.")
    fee_strategy: FeeStrategy = _setting(
        "`auto` bids by EIP-1559 where the chain has base fees and by its gas price elsewhere; `eip1559`, `legacy` or"
        " `fixed` says which.",
        "auto",
    )
    base_fee_multiplier: Headroom = _setting("The fee cap leaves room for the base fee to rise so many times.", "2")
    tip_percentile: PercentileOrNone = _setting(
        "The tip is what the latest blocks took at this percentile; 0 leaves it to the node's suggestion.", "50"
    )
    tip_multiplier: Multiplier = _setting("The tip is multiplied by this.", "1")
    min_tip_gwei: GweiOrZero = _setting("The tip is no lower than this.", "0")
    max_tip_gwei: MaxTip | None = _setting("The tip is no higher than this.")
    gas_price_multiplier: Multiplier = _setting(
        "Where there are no base fees, the gas price is multiplied by this.", "1"
    )
    daily_budget: Coins | None = _setting(
        "When so many coins are spent on one day (UTC), only heartbeats are sent, and at one and a half times as many"
        " nothing."
    )
    low_balance: Coins | None = _setting("While the account holds fewer coins than this, only heartbeats are sent.")

    journal_url: Annotated[JournalAddress, PlainValidator(journal_address)] = _setting(
        "Where every push is written down: a file of SQLite (a path from the root takes a fourth slash), or"
        " `postgresql://user:password@host/name`.",
        DEFAULT_JOURNAL_URL,
    )
    database_url: Annotated[JournalAddress, PlainValidator(journal_address)] | None = _setting(
        "Stands in for `JOURNAL_URL` where that is not set."
    )
    journal_sync: Annotated[Sync, one_of(Sync)] = _setting(
        "What SQLite waits for: `normal` survives the end of the process, however it comes; `full` survives a loss of"
        " power too, and waits for the disk.",
        "normal",
    )
    journal_on_failure: Annotated[OnFailure, one_of(OnFailure)] = _setting(
        "While the journal cannot be written: `continue` sends one transaction at a time, alarms, and writes later;"
        " `stop` sends nothing new.",
        "continue",
    )
    journal_retention_days: Days = _setting("Pushes that ended so many days ago are deleted from the journal.", "90")

    hermes_url: Annotated[tuple[Endpoint, ...], PlainValidator(hermes_endpoints)] = _setting(
        "Where prices come from: one or several URLs with commas between. A path in front of `/v2` belongs to it.",
        "https://hermes.pyth.network",
    )
    hermes_list: Annotated[tuple[HermesPlace, ...], PlainValidator(hermes_places)] | None = _setting(
        "Only in YAML, instead of `HERMES_URL`: a list of blocks with `url`, and `name`, `api_key` or `api_key_file`"
        " where wanted.",
        name="hermes",
    )
    hermes_mode: Annotated[HermesMode, one_of(HermesMode)] = _setting(
        "Of several Hermes endpoints `all` are streamed at once and the newest price wins, or the later ones are on"
        " `standby`.",
        "all",
    )
    hermes_api_key: ApiKey | None = _setting(
        "Pyth API key, sent to every endpoint of `HERMES_URL`. Pyth's own Hermes answers nobody without one."
    )
    hermes_api_key_file: ApiKeyFile | None = _setting(
        "A file that holds the key, instead of `HERMES_API_KEY`; read anew when used."
    )
    hermes_silence_ms: Milliseconds = _setting("A stream that brings no prices for this long counts as dead.", "3000")
    hermes_poll_per_10s: CountAtLeastOne = _setting(
        "While no stream is open, prices are requested at most so often in 10 seconds.", "5"
    )

    metrics_host: Label = _setting("The address that `/health`, `/status` and `/metrics` listen on.", "127.0.0.1")
    metrics_port: Port = _setting("Their port; 0 is any free one.", "9090")
    log_level: Annotated[LogLevel, one_of(LogLevel)] = _setting("`debug`, `info`, `warning` or `error`.", "info")
    log_format: Annotated[LogFormat, one_of(LogFormat)] = _setting(
        "`json`, `text`, or `auto`: text on a terminal and JSON elsewhere.", "auto"
    )
    log_file: NewFile | None = _setting(
        "Logs go to this file as well, as JSON; it is rotated at 10 MB, five old ones are kept."
    )

    @property
    def private_key(self) -> SecretStr:
        """The key of the sending account: 64 hex digits without 0x."""
        key = self.given_key or self.key_in_file
        assert key is not None, "one of the two is required"
        return key

    @property
    def journal(self) -> JournalAddress:
        """Where the journal is."""
        return self.database_url or self.journal_url

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
        return tuple(entry.feed(common) for entry in self.feed_ids or self.feed_list or ())

    @property
    def hermes(self) -> tuple[HermesPlace, ...]:
        """The Hermes endpoints in their order, each with the key that is meant for it."""
        return self.hermes_list or tuple(
            HermesPlace(endpoint, self.hermes_api_key, self.hermes_api_key_file) for endpoint in self.hermes_url
        )

    def secrets(self) -> tuple[str, ...]:
        """Whatever must never be shown."""
        endpoints = (*self.rpc_url, *(place.endpoint for place in self.hermes))
        urls = [endpoint.url.get_secret_value() for endpoint in endpoints]
        keys = [self.private_key.get_secret_value(), *(place.key() for place in self.hermes)]
        if isinstance(self.journal, PostgresServer):
            keys += journal_secrets(self.journal.url)
        return tuple(secret for secret in (*keys, *(part for url in urls for part in secrets_in(url))) if secret)


NAMES = frozenset(field.alias or name for name, field in Settings.model_fields.items())
"""Every setting, in lower case."""
ONLY_IN_YAML = frozenset({"feeds", "hermes"})
SECRETS = frozenset({"private_key", "hermes_api_key"})
"""Settings that are secrets as such."""
ADDRESSES = frozenset({"rpc_url", "hermes_url"})
"""Settings that may hold secrets."""
JOURNALS = frozenset({"journal_url", "database_url"})
"""Settings that may hold a password; the first wins."""
