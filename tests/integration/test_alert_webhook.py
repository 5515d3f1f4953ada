"""Alerts that the keeper posts itself, to real webhooks that refuse, fail, hang, or take them."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from keeper.alerts.desk import Message, Stage
from keeper.alerts.webhook import Patience, Webhook
from keeper.domain.errors import Rejected, Transient
from keeper.lab.anvil import Anvil
from tests.support.keeper_process import (
    KEEPER,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.ports import free_port
from tests.support.waiting import wait_until

HOST = "127.0.0.1"
SECRET = "services-T000-B000-abcdefghijkl"
QUICK = Patience(answer_s=30.0, first_pause_s=0.01, longest_pause_s=0.02, tries=5)
IMPATIENT = Patience(answer_s=0.3, first_pause_s=0.01, longest_pause_s=0.02, tries=1000)
"""Gives up on answers, and on good ones too where the machine is busy."""
DOWN = Message(Stage.FIRING, "AllRpcEndpointsDown", "evm", "no RPC endpoint of evm answers", 1_760_000_000.0)


@dataclass
class Receiver:
    """Answers with these statuses in turn, and takes everything once they are used up; 0 is no answer at all."""

    statuses: list[int] = field(default_factory=list)
    asked: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/{SECRET}"

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.json()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            await asyncio.Event().wait()
        if status == 200:
            self.taken.append(body)
        return web.Response(status=status, text=f"{request.path} is not for you" if status != 200 else "ok")


@asynccontextmanager
async def receiver(*statuses: int, port: int = 0) -> AsyncIterator[Receiver]:
    hook = Receiver(list(statuses))
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    hook.port = int(runner.addresses[0][1])
    try:
        yield hook
    finally:
        await runner.cleanup()


async def test_a_webhook_without_an_address_is_given_up_and_nothing_ends() -> None:
    async with posting("https://hooks..example.org/x") as webhook:
        with pytest.raises(Rejected, match="check ALERT_WEBHOOK_URL"):
            await webhook.post_once(DOWN)


async def test_one_refused_message_at_the_end_keeps_no_other_back() -> None:
    async with receiver(400) as hook:
        webhook = Webhook(hook.url, sender="keeper-0", clean=str, patience=QUICK)
        for _ in range(3):
            webhook.put(DOWN)
        await webhook.flush()
        assert len(hook.taken) == 2


@asynccontextmanager
async def posting(url: str, patience: Patience = QUICK) -> AsyncIterator[Webhook]:
    webhook = Webhook(url, sender="keeper-0", clean=lambda text: text.replace("hush", "[redacted]"), patience=patience)
    task = asyncio.create_task(webhook.run())
    try:
        yield webhook
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_message_is_text_for_people_and_fields_for_machines_without_secrets() -> None:
    async with receiver() as hook, posting(hook.url) as webhook:
        webhook.put(Message(Stage.FIRING, "AllRpcEndpointsDown", "evm", "evm is down: hush", 1_760_000_000.0))
        await wait_until(lambda: hook.taken)
    assert hook.taken == [
        {
            "text": "CRITICAL keeper-0: evm is down: [redacted]",
            "service": "pyth-keeper",
            "keeper": "keeper-0",
            "alert": "AllRpcEndpointsDown",
            "status": "firing",
            "subject": "evm",
            "since": 1_760_000_000.0,
        }
    ]


@pytest.mark.parametrize("failures", [(500, 503), (429, 408)])
async def test_a_webhook_that_fails_is_tried_again(failures: tuple[int, ...]) -> None:
    async with receiver(*failures) as hook, posting(hook.url) as webhook:
        webhook.put(DOWN)
        await wait_until(lambda: hook.taken)
        assert hook.asked == len(failures) + 1


async def test_a_webhook_that_hangs_is_tried_again() -> None:
    async with receiver(0) as hook, posting(hook.url, IMPATIENT) as webhook:
        webhook.put(DOWN)
        await wait_until(lambda: hook.taken)
        assert hook.asked > 1


async def test_a_webhook_that_nobody_listens_at_gets_the_message_once_somebody_does() -> None:
    port = free_port()
    webhook = Webhook(f"http://{HOST}:{port}/{SECRET}", sender="keeper-0", clean=str, patience=IMPATIENT)
    task = asyncio.create_task(webhook.run())
    webhook.put(DOWN)
    async with receiver(port=port) as hook:
        await wait_until(lambda: hook.taken)
    task.cancel()


async def test_what_is_refused_is_given_up_with_a_line_that_holds_no_url(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver(404) as hook, posting(hook.url) as webhook:
        webhook.put(DOWN)
        webhook.put(DOWN)
        await wait_until(lambda: hook.taken)
        assert hook.asked == 2
    (line,) = [record for record in caplog.records if record.getMessage() == "alert_lost"]
    assert "HTTP 404" in str(vars(line)["text"])
    assert SECRET not in str(vars(line))


async def test_what_cannot_wait_pushes_out_the_oldest_and_is_counted() -> None:
    async with receiver(500) as hook, posting(hook.url) as webhook:
        for number in range(150):
            webhook.put(Message(Stage.FIRING, "Test", "", f"number {number}", 0.0))
        await wait_until(lambda: hook.taken and hook.taken[-1]["text"].endswith("number 149"))
    texts = [body["text"] for body in hook.taken]
    assert len(texts) == 100
    assert texts[0] == "CRITICAL keeper-0: number 50 (before it 50 messages were lost)"


async def test_a_test_tells_whether_it_was_taken() -> None:
    async with receiver(500, 403) as hook:
        webhook = Webhook(hook.url, sender="keeper-0", clean=str, patience=QUICK)
        with pytest.raises(Transient, match="HTTP 500"):
            await webhook.post_once(DOWN)
        with pytest.raises(Rejected, match="HTTP 403"):
            await webhook.post_once(DOWN)
        await webhook.post_once(DOWN)
        assert len(hook.taken) == 1


async def command(environ: dict[str, str], folder: Path) -> tuple[int | None, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        KEEPER, "alert", env=environ, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.timeout(180)
async def test_a_keeper_that_loses_its_node_posts_that_and_its_return(anvil: Anvil, tmp_path: Path) -> None:
    async with (
        receiver() as hook,
        simulator_running(feeds=2) as simulator,
        devnet_contract(anvil, simulator) as contract,
    ):
        (tmp_path / "webhook").write_text(hook.url)
        environ = environment(anvil.url, simulator, contract, tmp_path) | {
            "ALERT_WEBHOOK_URL_FILE": str(tmp_path / "webhook"),
            "MONITORING_INTERVAL_MS": "1000",
            "POD_NAME": "keeper-0",
        }
        code, output = await command(environ, tmp_path)
        assert (code, SECRET in output) == (0, False)
        assert [body["status"] for body in hook.taken] == ["test"]

        async with keeper_running(environ, tmp_path) as keeper:
            await wait_until(lambda: keeper.told("push_confirmed"))
            anvil.process.send_signal(signal.SIGSTOP)
            await wait_until(lambda: posted(hook, "AllRpcEndpointsDown", "firing"), timeout_s=60)
            anvil.process.send_signal(signal.SIGCONT)
            await wait_until(lambda: posted(hook, "AllRpcEndpointsDown", "resolved"), timeout_s=60)
        (told,) = posted(hook, "AllRpcEndpointsDown", "firing")
        assert told["text"].startswith("CRITICAL keeper-0: no RPC endpoint of ")
        assert all(SECRET not in str(line) for line in keeper.lines)

        code, output = await command(environ | {"ALERT_WEBHOOK_URL_FILE": ""}, tmp_path)
        assert code == 2


def posted(hook: Receiver, alert: str, status: str) -> list[dict[str, Any]]:
    return [body for body in hook.taken if (body["alert"], body["status"]) == (alert, status)]
