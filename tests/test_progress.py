"""How a command ends: one sentence and a status, whatever the system refused."""

from __future__ import annotations

import errno

import pytest

from otanalysis.errors import StorageError
from otanalysis.progress import reported


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "folder/table"), "folder/table: Permission denied"),
        (OSError("odd"), "odd"),
        (StorageError("table cannot be written."), "table cannot be written."),
    ],
)
def test_an_error_of_the_system_is_one_sentence_and_status_2(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(said)
    assert text.count("\n") == 1


def test_a_reader_that_has_gone_is_no_error_of_the_disk() -> None:
    with pytest.raises(BrokenPipeError), reported():
        raise BrokenPipeError
