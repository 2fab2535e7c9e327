import inspect
import pickle

import pytest

from vlmrt_dist import errors
from vlmrt_dist.errors import MAX_LISTED_PROBLEMS, MeasurementFileError, VlmrtError

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, VlmrtError) and cls is not MeasurementFileError
]


def test_every_error_of_the_contract_exists() -> None:
    expected = {
        "VlmrtError",
        "SceneError",
        "MaterialError",
        "FrequencyError",
        "CampaignError",
        "ConfigurationError",
        "NoPathsError",
        "PathOverflowError",
        "UnsupportedByReplay",
        "EngineUnavailable",
        "ActorFailure",
        "StorageError",
        "VlmError",
        "ImageError",
        "NumericalError",
    }
    assert {cls.__name__ for cls in CLASSES} == expected


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_errors_survive_a_pickle(cls: type[VlmrtError]) -> None:
    error = cls("what is wrong and what to do")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == copy.message == "what is wrong and what to do"


def test_measurement_file_error_survives_a_pickle_with_every_problem() -> None:
    error = MeasurementFileError("rss.csv", [(3, "rx_x is not a number"), (0, "whole file")])
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.path, copy.problems) == (error.path, error.problems)
    assert str(copy) == str(error)
    assert "rss.csv" in str(copy)
    assert "line 3: rx_x is not a number" in str(copy)
    assert "line 0" not in str(copy)


def test_long_lists_of_problems_are_cut_in_print_only() -> None:
    problems = [(line, "wrong") for line in range(2, 500)]
    error = MeasurementFileError("rss.csv", problems)
    assert error.problems == problems
    assert f"and {len(problems) - MAX_LISTED_PROBLEMS} more" in str(error)
    assert str(error).count("\n") == MAX_LISTED_PROBLEMS + 1
