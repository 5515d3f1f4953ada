"""What is set for the whole process, and its networks: names, how each is read, defaults, meanings.

`loading.load` fills it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import PlainValidator

from keeper.app.control_settings import ControlToken, ControlTokenFile, token_reader
from keeper.app.coordination_settings import WHOLE_SECONDS, Coordination
from keeper.app.endpoints import Endpoint, hermes_endpoints, secrets_in, webhook_endpoint, webhook_endpoint_file
from keeper.app.fields import Common, setting
from keeper.app.hermes_settings import HermesPlace, hermes_places
from keeper.app.journal_settings import (
    DEFAULT_JOURNAL_URL,
    JournalAddress,
    journal_address,
    journal_secrets,
    with_password,
)
from keeper.app.network_settings import NetworkSettings
from keeper.app.origins import Origins
from keeper.app.values import (
    ApiKey,
    ApiKeyFile,
    Clients,
    CountAtLeastOne,
    Days,
    Flag,
    Frames,
    Label,
    Milliseconds,
    Name,
    NewFile,
    Port,
    Seconds,
    SecretFile,
    one_of,
)
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesMode
from keeper.journal.address import PostgresServer, Sync
from keeper.pipeline.journaling import OnFailure


class LogLevel(StrEnum):
    """The least urgent lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """What the lines look like."""

    AUTO = "auto"
    """Text on a terminal, JSON elsewhere."""
    JSON = "json"
    TEXT = "text"


class Settings(Common):
    """All settings, checked. A field's name, or the name given with it, is what it is set by."""

    networks: tuple[NetworkSettings, ...]
    """One at least, each with a name of its own."""

    journal_url: Annotated[JournalAddress, PlainValidator(journal_address)] = setting(
        "Where every push is written down: a file of SQLite (a path from the root takes a fourth slash), or"
        " `postgresql://user:password@host/name`.",
        DEFAULT_JOURNAL_URL,
    )
    database_url: Annotated[JournalAddress, PlainValidator(journal_address)] | None = setting(
        "Stands in for `JOURNAL_URL` where that is not set."
    )
    journal_password_file: SecretFile | None = setting(
        "A file that holds the password for the PostgreSQL server of `JOURNAL_URL`, instead of one in the URL."
    )
    journal_sync: Annotated[Sync, one_of(Sync)] = setting(
        "What SQLite waits for: `normal` survives the end of the process, however it comes; `full` survives a loss of"
        " power too, and waits for the disk.",
        "normal",
    )
    journal_on_failure: Annotated[OnFailure, one_of(OnFailure)] = setting(
        "While the journal cannot be written: `continue` sends one transaction at a time, alarms, and writes later;"
        " `stop` sends nothing new.",
        "continue",
    )
    journal_retention_days: Days = setting("Pushes that ended so many days ago are deleted from the journal.", "90")

    hermes_url: Annotated[tuple[Endpoint, ...], PlainValidator(hermes_endpoints)] = setting(
        "Where prices come from: one or several URLs with commas between. A path in front of `/v2` belongs to it.",
        "https://hermes.pyth.network",
    )
    hermes_list: Annotated[tuple[HermesPlace, ...], PlainValidator(hermes_places)] | None = setting(
        "Only in YAML, instead of `HERMES_URL`: a list of blocks with `url`, and `name`, `api_key` or `api_key_file`"
        " where wanted.",
        name="hermes",
    )
    hermes_mode: Annotated[HermesMode, one_of(HermesMode)] = setting(
        "Of several Hermes endpoints `all` are streamed at once and the newest price wins, or the later ones are on"
        " `standby`.",
        "all",
    )
    hermes_api_key: ApiKey | None = setting(
        "Pyth API key, sent to every endpoint of `HERMES_URL`. Pyth's own Hermes answers nobody without one."
    )
    hermes_api_key_file: ApiKeyFile | None = setting(
        "A file that holds the key, instead of `HERMES_API_KEY`; read anew when used."
    )
    hermes_silence_ms: Milliseconds = setting("A stream that brings no prices for this long counts as dead.", "3000")
    hermes_poll_per_10s: CountAtLeastOne = setting(
        "While no stream is open, prices are requested at most so often in 10 seconds.", "5"
    )

    control_token: ControlToken | None = setting(
        "Whoever knows it may give orders over HTTP: `POST /v1/updates`, `/v1/pause`, `/v1/resume`. Without one these"
        " do not exist."
    )
    control_token_file: ControlTokenFile | None = setting(
        "A file that holds it, instead of `CONTROL_TOKEN`; read anew when used."
    )

    alert_webhook_url: Annotated[Endpoint, PlainValidator(webhook_endpoint)] | None = setting(
        "Critical events are posted here by the keeper itself, as JSON with a `text`: Slack and its likes take that."
    )
    alert_webhook_url_file: Annotated[Endpoint, PlainValidator(webhook_endpoint_file)] | None = setting(
        "A file that holds it, instead of `ALERT_WEBHOOK_URL`."
    )
    alert_repeat_s: Seconds = setting("What goes on is posted again after so long.", "3600")

    coordination: Annotated[Coordination, one_of(Coordination)] = setting(
        "By what several keepers with one key agree who sends, while the others stand by: `kubernetes` (Leases),"
        " `postgres` (the journal's server), `file` (a lock on this machine) or `none`. `auto` is `kubernetes` in a pod"
        " with a service account, and `postgres` with a journal there; else a second keeper on the machine is refused.",
        "auto",
    )
    lease_duration_ms: Annotated[int, WHOLE_SECONDS] = setting(
        "A keeper that is gone or cut off is replaced after so long; whole seconds.", "15000"
    )
    lease_name_prefix: Name = setting(
        "What the names of the Leases begin with; keepers with the same one compete.", "pyth-keeper"
    )
    pod_name: Label | None = setting("What the others call this keeper; the machine's name where it is not set.")
    kubernetes_service_host: Label | None = setting("Where the API of the cluster is; Kubernetes sets it.")
    kubernetes_service_port: Port = setting("Its port; Kubernetes sets it.", "443")
    kubernetes_service_account: Label | None = setting(
        "The folder with `token`, `ca.crt` and `namespace`, where it is not Kubernetes' own."
    )

    metrics_host: Label = setting("The address that `/health`, `/status` and `/metrics` listen on.", "127.0.0.1")
    metrics_port: Port = setting("Their port; 0 is any free one.", "9090")
    http_requests_per_minute: CountAtLeastOne = setting(
        "Each client may ask for each route so often in a minute; then it is told 429 and when to come back.", "600"
    )
    enable_event_streaming: Flag = setting(
        "Tells every step as it happens, at `/v1/ws/events` and `/v1/sse/events`.", "true"
    )
    enable_websocket: Flag = setting("Offers `/v1/ws/events`.", "true")
    enable_sse: Flag = setting("Offers `/v1/sse/events`.", "true")
    max_websocket_connections: Clients = setting("So many clients may listen at `/v1/ws/events`.", "10000")
    max_sse_connections: Clients = setting("So many may at `/v1/sse/events`.", "10000")
    events_high_buffer: Frames = setting(
        "So many pushes, orders and changes of leader are kept for those who come back, and for each client that is"
        " slow; then the oldest give way.",
        "1000",
    )
    events_medium_buffer: Frames = setting("So many states of sources, endpoints, balances and budgets.", "500")
    events_low_buffer: Frames = setting("So many prices, verdicts and blocks.", "100")
    cors_origins: Origins | None = setting(
        "Pages of these origins, with commas between, may read what the keeper shows; `*` is all of them."
    )
    log_level: Annotated[LogLevel, one_of(LogLevel)] = setting("`debug`, `info`, `warning` or `error`.", "info")
    log_format: Annotated[LogFormat, one_of(LogFormat)] = setting(
        "`json`, `text`, or `auto`: text on a terminal and JSON elsewhere.", "auto"
    )
    log_file: NewFile | None = setting(
        "Logs go to this file as well, as JSON; it is rotated at 10 MB, five old ones are kept."
    )

    @property
    def journal(self) -> JournalAddress:
        """Where the journal is."""
        return with_password(self.database_url or self.journal_url, self.journal_password_file)

    @property
    def feeds(self) -> tuple[FeedId, ...]:
        """The feeds of all networks, each once."""
        return tuple(dict.fromkeys(feed.feed_id for network in self.networks for feed in network.feeds))

    @property
    def aliases(self) -> Mapping[FeedId, str]:
        """What to call each feed, by the first network that gives it a name."""
        called = {feed_id: str(feed_id) for feed_id in self.feeds}
        for feed in (feed for network in reversed(self.networks) for feed in network.feeds):
            if feed.alias != feed.feed_id:
                called[feed.feed_id] = feed.alias
        return called

    @property
    def hermes(self) -> tuple[HermesPlace, ...]:
        """The Hermes endpoints in their order, each with the key that is meant for it."""
        return self.hermes_list or tuple(
            HermesPlace(endpoint, self.hermes_api_key, self.hermes_api_key_file) for endpoint in self.hermes_url
        )

    @property
    def alert_webhook(self) -> Endpoint | None:
        """Where critical events are posted."""
        return self.alert_webhook_url or self.alert_webhook_url_file

    def secrets(self) -> tuple[str, ...]:
        """Whatever must never be shown."""
        secrets = [place.key() for place in self.hermes]
        secrets += [part for place in self.hermes for part in secrets_in(place.endpoint.url.get_secret_value())]
        if isinstance(self.journal, PostgresServer):
            secrets += [self.journal.password or "", *journal_secrets(self.journal.url)]
        if self.alert_webhook is not None:
            secrets += secrets_in(self.alert_webhook.url.get_secret_value())
        if (token := token_reader(self.control_token, self.control_token_file)) is not None:
            secrets.append(token())
        secrets += [secret for network in self.networks for secret in network.secrets()]
        return tuple(secret for secret in secrets if secret)


NETWORK_NAMES = frozenset(field.alias or name for name, field in NetworkSettings.model_fields.items())
"""Every setting of a network, in lower case."""
PROCESS_NAMES = frozenset(field.alias or name for name, field in Settings.model_fields.items()) - {"networks"}
"""Every setting of the process."""
NAMES = NETWORK_NAMES | PROCESS_NAMES
ONLY_IN_YAML = frozenset({"feeds", "feed_groups", "hermes"})
SECRETS = frozenset({"private_key", "hermes_api_key", "control_token"})
"""Settings that are secrets as such."""
ADDRESSES = frozenset({"rpc_url", "hermes_url", "alert_webhook_url"})
"""Settings that may hold secrets."""
JOURNALS = frozenset({"journal_url", "database_url"})
"""Settings that may hold a password; the first wins."""
