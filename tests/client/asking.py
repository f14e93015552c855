"""What the tests of the client ask with and for: clients, credentials, URLs and a host's name."""

from collections.abc import Callable

from tmdb_assets.client.session import Client
from tmdb_assets.model import Attempt, Credential
from tmdb_assets.urls import target

MakeClient = Callable[..., Client]

URL = "http://127.0.0.1/3/movie/550"
"""As good as any for a judge, who looks at its path."""

LONG_NAME = ".".join(["a" * 60] * 5)
"""A host name longer than DNS allows: the resolver refuses it without asking anybody."""

SECRET = "s3cret-0123456789abcdef"  # noqa: S105 - the tests look for it
CREDENTIALS = [Credential(SECRET, is_token=True), Credential(SECRET, is_token=False)]


def asked(client: Client, origin: str, times: int = 1) -> list[Attempt]:
    return [client.attempt(target(f"{origin}/3/movie/{number}")) for number in range(times)]
