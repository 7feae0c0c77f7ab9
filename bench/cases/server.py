"""The PostgreSQL server of a case: one of its own, unless another is named, as by a test that only sees it run."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchkit.script import Options


@contextmanager
def server(given: Options, **settings: str) -> Iterator[str]:
    """Yield the URL of a server; `settings` are those of one that is started."""
    if given.server:
        yield given.server
        return
    from quorate.testing.postgres import postgres_server  # the driver is an extra

    with postgres_server(**settings) as url:
        yield url
