"""What goes over the wire: signatures that are verified, addresses that are refused, time that is bounded."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as site_settings
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from annotation_site.webhooks import addresses, sending
from annotation_site.webhooks.addresses import AddressRefused, check_url, is_allowed
from annotation_site.webhooks.models import new_secret
from annotation_site.webhooks.sending import post
from annotation_site.webhooks.signing import headers, sign
from tests.standins.serving import Answer, Request, Server

PAGE = Path(site_settings.BASE_DIR, "docs/how-to/webhooks.md")


@pytest.fixture
def lenient(settings) -> None:
    """Lets the site send to this machine, without TLS."""
    settings.WEBHOOK_HTTP, settings.WEBHOOK_NETWORKS = True, ["127.0.0.0/8"]


class Receiving:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.got: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.got.append(request)
        return self.answer


@pytest.fixture
def receiving() -> Iterator[tuple[str, Receiving]]:
    receiver = Receiving(Answer(b"taken", 200))
    server = Server(receiver)
    yield server.url, receiver
    server.close()


class TestSignatures:
    def test_it_is_the_one_of_the_standard(self):
        """The example that libraries of Standard Webhooks test themselves by."""
        signature = sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            '{"test": 2432232314}',
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_another_implementation_verifies_it(self):
        secret, body, now = new_secret(), '{"type":"test","data":"Übung"}', datetime.now(UTC)
        told = headers(message="msg_1", body=body, secrets=[new_secret(), secret], at=now)
        assert Verifier(secret).verify(body, told) == json.loads(body)
        for changed in (
            {**told, "webhook-id": "msg_2"},
            {**told, "webhook-timestamp": str(int(now.timestamp()) - 1)},
        ):
            with pytest.raises(WebhookVerificationError):
                Verifier(secret).verify(body, changed)

    def test_a_secret_is_as_long_as_the_standard_wants(self):
        assert len(base64.b64decode(new_secret().removeprefix("whsec_"))) == 24


class TestTheReceiverOfTheDocs:
    """The code that docs/how-to/webhooks.md gives to receivers."""

    @pytest.fixture
    def verify(self):
        (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
        namespace: dict[str, object] = {}
        exec(code, namespace)  # It is the documentation's.
        return namespace["verify"]

    def test_it_takes_what_is_signed_and_nothing_else(self, verify):
        secret, body, now = new_secret(), '{"type":"test","data":{}}', datetime.now(UTC)
        told = headers(message="msg_1", body=body, secrets=[new_secret(), secret], at=now)
        assert verify(secret, told, body.encode()) == json.loads(body)
        old = headers(message="msg_1", body=body, secrets=[secret], at=datetime(2026, 1, 1, tzinfo=UTC))
        for refused in (
            (new_secret(), told, body.encode()),
            (secret, {**told, "webhook-id": "msg_2"}, body.encode()),
            (secret, told, body.encode() + b" "),
            (secret, {**told, "webhook-signature": "v1,AAAA"}, body.encode()),
            (secret, old, body.encode()),
        ):
            with pytest.raises(ValueError, match="webhook"):
                verify(*refused)


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "http://a.example/", "ftp://a.example/", "javascript:alert(1)", "//a.example/", "a.example", "https://",
            "https://user@a.example/", "https://user:pw@a.example/", "https://a.example/#x", "https://a.example:0/",
            "https://a.example:99999/", "https://a.example/ b", "https://exämple.org/", "https://a.example\\@b/",
            "https://127.0.0.1/", "https://10.1.2.3/", "https://192.168.0.1/", "https://172.16.0.1/",
            "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/", "https://0.0.0.0/",
            "https://[::1]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/", "https://[2002:0a00:0001::1]/", "https://224.0.0.1/",
        ],
    )  # fmt: skip
    def test_some_are_refused_at_once(self, url):
        with pytest.raises(AddressRefused):
            check_url(url)

    @pytest.mark.parametrize(
        "url", ["https://a.example/", "https://a.example:8443/x?y=1", "https://1.1.1.1/"]
    )
    def test_others_are_taken(self, url):
        check_url(url)

    def test_a_setting_allows_a_private_network_and_no_other(self, settings):
        settings.WEBHOOK_NETWORKS = ["10.1.0.0/16"]
        check_url("https://10.1.2.3/")
        with pytest.raises(AddressRefused):
            check_url("https://10.2.0.1/")

    @pytest.mark.parametrize("name", ["0x7f000001", "2130706433", "127.1", "localhost"])
    def test_names_that_lead_inside_are_refused_when_something_is_sent(self, name):
        reply = post(f"https://{name}/", body=b"{}", headers={})
        assert reply.status is None
        assert "private network" in reply.error

    def test_a_name_without_an_address_is_told(self):
        assert "no address" in post("https://nowhere.invalid/", body=b"{}", headers={}).error

    @pytest.mark.parametrize(
        "address", ["::ffff:127.0.0.1", "2001:0:1::1", "64:ff9b::7f00:1", "255.255.255.255"]
    )
    def test_addresses_inside_addresses_are_refused(self, address):
        assert not is_allowed(addresses.ipaddress.ip_address(address))


class TestRequests:
    def test_a_message_arrives_as_it_is(self, lenient, receiving):
        url, receiver = receiving
        reply = post(f"{url}/hook?x=1", body=b'{"a":1}', headers={"webhook-id": "msg_1"})
        assert (reply.status, reply.text, reply.error) == (200, "taken", "")
        (got,) = receiver.got
        assert (got.method, got.path, got.query, got.body) == ("POST", "/hook", {"x": "1"}, b'{"a":1}')
        assert got.headers["webhook-id"] == "msg_1"

    def test_the_name_is_resolved_once_and_that_address_is_used(self, lenient, receiving, monkeypatch):
        """A name that leads elsewhere the second time it is asked for leads nowhere else."""
        url, receiver = receiving
        port, asked = int(url.rsplit(":", 1)[1]), []

        def resolve(host: str, port: int, **_: object) -> list[object]:
            asked.append(host)
            address = "127.0.0.1" if len(asked) == 1 else "203.0.113.9"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        names = SimpleNamespace(getaddrinfo=resolve, SOCK_STREAM=socket.SOCK_STREAM)
        monkeypatch.setattr(addresses, "socket", names)
        connected, real = [], socket.create_connection

        def connect(to: tuple[str, int], *rest: object, **options: object) -> socket.socket:
            connected.append(to)
            return real(to, *rest, **options)

        monkeypatch.setattr(socket, "create_connection", connect)
        assert post(f"http://rebinding.example:{port}/", body=b"{}", headers={}).status == 200
        assert asked == ["rebinding.example"]
        assert connected == [("127.0.0.1", port)]
        assert receiver.got[0].headers["Host"].startswith("rebinding.example")

    def test_redirects_are_not_followed(self, lenient, receiving):
        url, receiver = receiving
        receiver.answer = Answer(b"", 302, headers={"Location": f"{url}/elsewhere"})
        assert post(url, body=b"{}", headers={}).status == 302
        assert [got.path for got in receiver.got] == ["/"]

    def test_proxies_of_the_environment_are_not_used(self, lenient, receiving, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9/")
        assert post(receiving[0], body=b"{}", headers={}).status == 200

    def test_only_the_beginning_of_an_answer_is_kept(self, lenient, receiving):
        url, receiver = receiving
        receiver.answer = Answer(b"x\0" * 100_000, 500)
        reply = post(url, body=b"{}", headers={})
        assert len(reply.text) == sending.READ_MOST
        assert "\0" not in reply.text

    def test_nobody_there_is_told(self, lenient):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        reply = post(f"http://127.0.0.1:{port}/", body=b"{}", headers={})
        assert (reply.status, reply.succeeded) == (None, False)
        assert "ConnectError" in reply.error

    @pytest.mark.parametrize("talk", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["silent", "endless"])
    def test_who_does_not_come_to_an_end_is_left(self, lenient, monkeypatch, talk):
        monkeypatch.setattr(sending, "WHOLE_SECONDS", 0.3)
        with dripping(talk) as port:
            assert (
                post(f"http://127.0.0.1:{port}/", body=b"{}", headers={}).error
                == "It did not answer in time."
            )

    def test_a_certificate_that_is_not_the_names_is_refused(self, settings, tmp_path):
        settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
        with tls_server(tmp_path) as port:
            reply = post(f"https://localhost:{port}/", body=b"{}", headers={})
        assert reply.status is None
        assert "certificate" in reply.error.lower()


class dripping:  # noqa: N801
    """A server that begins to talk and never ends, a byte now and then."""

    def __init__(self, talk: bytes) -> None:
        self.talk, self.over = talk, threading.Event()

    def __enter__(self) -> int:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self.listening.getsockname()[1]

    def _serve(self) -> None:
        connection, _ = self.listening.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(self.talk)
                while self.talk and not self.over.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                return
            self.over.wait(5)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.listening.close()
        self.thread.join(5)


class tls_server:  # noqa: N801
    """A server on this machine with a certificate that nobody vouches for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> int:
        key, certificate = self.folder / "key.pem", self.folder / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        code = (
            "import http.server, ssl, sys\n"
            "s = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)\n"
            "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
            "c.load_cert_chain(sys.argv[1], sys.argv[2])\n"
            "s.socket = c.wrap_socket(s.socket, server_side=True)\n"
            "print(s.server_port, flush=True)\n"
            "s.serve_forever()\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, certificate, key], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return int(self.process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
