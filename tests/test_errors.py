"""A command's errors are one sentence; faults are not hidden."""

import pytest

from fermodels.errors import DataError, exit_status


def test_an_error_of_ours_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise DataError("row 3 has 7 pixels: expected 2304")

    assert exit_status(work) == 2
    assert capsys.readouterr().err == "error: row 3 has 7 pixels: expected 2304\n"


def test_work_that_is_done_has_status_0_and_a_fault_passes() -> None:
    assert exit_status(lambda: "anything") == 0
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 / 0)


def test_work_may_name_its_own_status_and_ctrl_c_is_130(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert exit_status(lambda: 1) == 1
    assert exit_status(interrupted, "the same command goes on") == 130
    assert capsys.readouterr().err == "stopped: the same command goes on\n"
