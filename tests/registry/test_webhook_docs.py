"""The receiver of docs/webhooks.md takes what the portal sends, and nothing else."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_portal.kit import clock, outbound
from mlops_portal.kit.addresses import parse_openings
from registry import outbox, webhooks

PAGE = Path(__file__).resolve().parents[2] / "docs/webhooks.md"


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.slow
def test_the_receiver_of_the_page_verifies_the_signature(team, settings, port, tmp_path):
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    settings.PORTAL_OUTBOUND_HTTP = True
    settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{port}")
    url = f"http://127.0.0.1:{port}/hook"
    _, secret = webhooks.register(team, name="ops", url=url, events=["*"], by="setup", now=clock.now())
    [message] = outbox.publish("version.registered", "v1", {"version": "8"}, team=team, now=clock.now())
    environment = os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(port)}
    with (
        (tmp_path / "out").open("w+") as out,
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=out, stderr=subprocess.DEVNULL, env=environment
        ) as run,
    ):
        try:
            _wait_for(port)
            outbox.deliver(message.pk)
            forged = outbound.request(
                "POST",
                url,
                body=b"{}",
                headers={
                    "webhook-id": "msg_1",
                    "webhook-timestamp": str(int(time.time())),
                    "webhook-signature": "v1,x",
                },
            )
            out.seek(0)
            printed = out.read()
        finally:
            run.terminate()

    message.refresh_from_db()
    assert (message.state, message.attempt_log[0]["status"], forged.status) == ("sent", 204, 400)
    assert f"msg_{message.pk.hex}" in printed
    assert '"version":"8"' in printed
    assert "msg_1 " not in printed


def _wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
