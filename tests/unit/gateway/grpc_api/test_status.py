import inspect

import pytest
from google.rpc import code_pb2, error_details_pb2

from gateway import errors
from gateway.grpc_api import status


def leaves() -> list[type[Exception]]:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.GatewayError)]
    return [c for c in classes if not c.__subclasses__()]


def test_every_error_that_can_be_raised_has_a_code() -> None:
    assert set(leaves()) == set(status.CODES)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.GatewayError)]
    assert errors.__doc__
    assert not [c.__name__ for c in classes if f" {c.__name__}" not in errors.__doc__]


def test_a_wrong_field_becomes_a_bad_request_detail() -> None:
    answer = status.of(errors.InvalidRequestError("cost_weight", "must be positive"))
    detail = error_details_pb2.BadRequest()
    assert answer.code == code_pb2.INVALID_ARGUMENT
    assert answer.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "cost_weight"
    assert detail.field_violations[0].description == "must be positive"


def test_overload_says_when_to_come_back() -> None:
    answer = status.of(errors.BudgetExceededError("queries are in flight", 1, 10, 10, 0.25))
    assert answer.code == code_pb2.RESOURCE_EXHAUSTED
    assert status.retry_delay_ms(answer) == 250


@pytest.mark.parametrize("error", [KeyError("secret"), errors.GatewayError("secret")])
def test_an_unmapped_error_is_internal_and_its_text_stays_inside(error: Exception) -> None:
    answer = status.of(error)
    assert answer.code == code_pb2.INTERNAL
    assert "secret" not in answer.message


def test_a_long_message_is_cut_so_that_it_fits_into_the_trailers() -> None:
    answer = status.of(errors.InvalidRequestError("allowed_llms", "not in the pool: " + "中" * 100_000))
    assert len(answer.message) == status.MAX_MESSAGE_CHARS
    assert answer.ByteSize() < 4096
