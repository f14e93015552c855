import signal

import hypothesis
import pytest

from tests.client.servers import Certificate, make_certificate
from tests.environment import clean

# whoever starts the tests in the background has SIGINT ignored, and processes inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a loaded machine must not make a property fail for being slow
hypothesis.settings.register_profile("project", deadline=None, max_examples=60)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def a_clean_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test meets the user's token, lists or limiter, proxies or certificates."""
    clean(monkeypatch, tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of the servers here, and of a host that exists nowhere."""
    names = "DNS:api.example.test,DNS:localhost,IP:127.0.0.1"
    return make_certificate(tmp_path_factory.mktemp("certificate"), names)


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for another host, by another authority."""
    return make_certificate(tmp_path_factory.mktemp("other"), "DNS:other.example.test")


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The certificate, with its authority trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.authority))
    return certificate
