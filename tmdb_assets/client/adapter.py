"""requests' adapter, over connections that take a permit: what pools them, and lets them go."""

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tmdb_assets.client.wire import Paced, PacedTls, Wire


class PacedAdapter(HTTPAdapter):
    """requests' adapter over paced connections, direct ones and those through a proxy."""

    def __init__(self, wire: Wire, *, pool_size: int) -> None:
        shared = {"wire": wire}
        plain = type("PacedPool", (HTTPConnectionPool,), {})
        plain.ConnectionCls = type("PacedConnection", (Paced,), shared)  # type: ignore[attr-defined]
        tls = type("PacedTlsPool", (HTTPSConnectionPool,), {})
        tls.ConnectionCls = type("PacedTlsConnection", (PacedTls,), shared)  # type: ignore[attr-defined]
        self._pools = {"http": plain, "https": tls}
        super().__init__(pool_connections=8, pool_maxsize=pool_size, max_retries=0)

    def close(self) -> None:
        """Close all idle connections, now.

        urllib3 leaves that to the end of the pools, which the exceptions of failed attempts keep.
        """
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no mapping in the full sense
                if (pool := manager.pools.get(key)) is not None:
                    pool.close()
        super().close()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as requests has it
        """Make the pools for direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401 - as requests has it
        """Make the pools for connections through `proxy`."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager
