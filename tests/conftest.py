import os
import signal

import hypothesis
import pytest

# whoever starts the tests in the background has SIGINT ignored, and processes inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a loaded machine must not make a property fail for being slow
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def a_clean_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test meets the user's token, lists or limiter."""
    for name in [name for name in os.environ if name.startswith(("TMDB_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
