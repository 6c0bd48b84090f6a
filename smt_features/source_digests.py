"""Digests the raw files beside other work."""

from collections.abc import Mapping
from concurrent.futures import Future
from threading import Thread

from smt_features.files import sha256
from smt_features.manifest import SourceRecord
from smt_features.sources import Source
from smt_schemas import UserError

_PIECE = 1 << 24
"""Bytes digested at a time. After each the thread has to wait for the interpreter, which imports
meanwhile: 5 ms, in which it would digest some 4 MB."""


class SourceDigests:
    """Digests raw files on a thread of their own, and notices when one changes meanwhile.

    Parameters
    ----------
    sources
        The files.
    """

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources
        self._before = [_state(source) for source in sources]
        self._digests = [Future[str]() for _ in sources]
        # A daemon: a run that fails early does not wait until all is digested.
        Thread(target=self._digest, daemon=True).start()

    def records(self, rows: Mapping[str, int]) -> list[SourceRecord]:
        """Return the record of each file; ``rows`` is by name.

        Raises
        ------
        UserError
            When a file vanished or changed since the digests were begun.
        """
        records = []
        for source, before, future in zip(self._sources, self._before, self._digests, strict=True):
            try:
                digest = future.result()
            except OSError as error:
                msg = f"Cannot read {source.path}: {error.strerror}."
                raise UserError(msg) from error
            if _state(source) != before:
                msg = f"{source.path} changed while it was read. Run `smt prepare` again."
                raise UserError(msg)
            records.append(
                SourceRecord(
                    name=source.name,
                    split=source.split,
                    bytes=before[0],
                    sha256=digest,
                    rows=rows.get(source.name, 0),
                )
            )
        return records

    def _digest(self) -> None:
        for source, future in zip(self._sources, self._digests, strict=True):
            try:
                future.set_result(sha256(source.path, _PIECE))
            except Exception as error:  # noqa: BLE001 - for whoever waits for the result
                future.set_exception(error)


def _state(source: Source) -> tuple[int, int]:
    try:
        return source.version
    except OSError as error:
        msg = f"{source.path} vanished while it was read."
        raise UserError(msg) from error
