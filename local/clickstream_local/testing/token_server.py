"""An identity provider for tests: tokens by OIDC client credentials over https, its keys over http.

Tokens are JWTs signed with RS256, which brokers check by the keys (JWKS).
"""

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from joserfc import jwt
from joserfc.jwk import RSAKey

from clickstream_local.machine.ports import HOST

ISSUER, AUDIENCE = "https://sso.example.com", "kafka"


class TokenServer:
    """Knows one client; counts the tokens that it gave, and the clients that it refused."""

    def __init__(self, client_id: str, client_secret: str, certificate: Path, key: Path) -> None:
        self._client = (client_id, client_secret)
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.life_s = 3_600
        self.given: list[dict[str, list[str]]] = []  # the forms of the requests, in their order
        self.refused = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._secure, self._plain = self._server(), self._server()
        self._secure.socket = context.wrap_socket(self._secure.socket, server_side=True)
        self._threads = [
            threading.Thread(target=server.serve_forever, daemon=True)
            for server in (self._secure, self._plain)
        ]

    @property
    def token_endpoint(self) -> str:
        """Return where clients get tokens."""
        return f"https://{HOST}:{self._secure.server_address[1]}/token"

    @property
    def keys_url(self) -> str:
        """Return where brokers get the keys."""
        return f"http://{HOST}:{self._plain.server_address[1]}/keys"

    def start(self) -> None:
        """Listen."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close both ports."""
        for server, thread in zip((self._secure, self._plain), self._threads, strict=True):
            server.shutdown()
            thread.join(10)
            server.server_close()

    def keys(self) -> dict[str, Any]:
        """Return the public keys."""
        return {"keys": [dict(self._key.as_dict(private=False))]}

    def answer(self, authorization: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request for a token."""
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        name, _, secret = pair.partition(":")
        if (unquote(name), unquote(secret)) != self._client or form.get("grant_type") != [
            "client_credentials"
        ]:
            self.refused += 1
            return 401, {"error": "invalid_client", "error_description": "Invalid client or credentials"}
        self.given.append(form)
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": name, "iat": now, "exp": now + self.life_s}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.life_s}

    def _server(self) -> ThreadingHTTPServer:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(200, provider.keys())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._reply(*provider.answer(self.headers.get("Authorization", ""), parse_qs(body)))

            def _reply(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        return ThreadingHTTPServer((HOST, 0), Handler)
