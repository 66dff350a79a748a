from __future__ import annotations

import pytest

from ccsd.common.errors import InputError
from ccsd.method.task import BRATS
from ccsd.server.infers.request import read_request


@pytest.mark.parametrize("value", [None, "", " ", "all", ["all"]])
def test_all_modalities_are_the_default(value: object) -> None:
    assert read_request({"modalities": value}, BRATS).options.modalities is None


@pytest.mark.parametrize(
    "value", [["t1", "flair"], "t1,flair", "t1, flair", '["t1", "flair"]', ["t1", "flair", "t1"], "t1,,flair,"]
)
def test_modalities_may_be_a_list_or_text(value: object) -> None:
    assert read_request({"modalities": value}, BRATS).options.modalities == ("t1", "flair")


def test_a_list_of_devices_as_the_options_panel_has_it_means_the_first() -> None:
    assert read_request({"device": ["cpu"]}, BRATS).options.device.type in ("cpu", "cuda")


@pytest.mark.parametrize("value", [None, "", "auto", ["auto", "off", "full"]])
def test_preparation_is_automatic_unless_the_request_says_otherwise(value: object) -> None:
    assert read_request({"preprocess": value}, BRATS).options.preprocess == "auto"
    assert read_request({"preprocess": "full"}, BRATS).options.preprocess == "full"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"modalities": ["t9"]}, "modalities has t9, expected names from t1, t1ce, t2, flair"),
        ({"modalities": 3}, "modalities is 3, expected a list"),
        ({"modalities": []}, "modalities is empty, expected names from t1, t1ce, t2, flair, or all"),
        ({"modalities": " , "}, "modalities is empty"),
        ({"modalities": "[]"}, "modalities is empty"),
        ({"modalities": {}}, "modalities is empty"),
        ({"preprocess": "quick"}, "preprocess is 'quick', expected one of auto, off, full"),
        ({"device": "tpu"}, "device is 'tpu', expected one of"),
        ({"window": "big"}, "window is 'big', expected a number"),
        ({"window": 7}, "window is 7 voxels"),
        ({"overlap": 2}, "overlap is 2.0"),
        ({"confidence": "very"}, "confidence is 'very', expected true or false"),
        ({"confidence": 1}, "confidence is 1, expected true or false"),
        ({"window": float("nan")}, "window is nan, expected a number"),
        ({"result_extension": "/../x"}, "result_extension is '/../x', expected one of"),
        ({"enhancing_value": 5}, "enhancing_value is 5, expected 3 or 4"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_was_expected(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_request(wrong, BRATS)


@pytest.mark.parametrize("value", [{"t1": "a", "flair": "b.nii.gz"}, '{"t1": "a", "flair": "b.nii.gz"}'])
def test_a_request_can_say_itself_which_image_is_which_modality(value: object) -> None:
    request = read_request({"modalities": value}, BRATS).options
    assert request.modalities == ("t1", "flair")
    assert request.named == {"t1": "a", "flair": "b.nii.gz"}


@pytest.mark.parametrize(
    ("value", "asked"), [(None, False), ("", False), ("False", False), (True, True), ("true", True)]
)
def test_confidence_is_asked_for_by_a_word_too(value: object, asked: bool) -> None:
    assert read_request({"confidence": value}, BRATS).options.confidence is asked
