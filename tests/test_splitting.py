from __future__ import annotations

from typing import Any

import pytest

from retouch import Capabilities, EditedImage, EditRequest, EditResult
from retouch.errors import ContentRejected, UpstreamTimeout, UpstreamUnreachable
from retouch.splitting import merge, split
from tests.http.inside import Options


def edit(n: int | None = None, seed: int | None = None) -> EditRequest:
    return EditRequest(model="m", prompt="x", images=(), n=n, options=Options(seed=seed))


def result(*names: str, **fields: Any) -> EditResult:
    return EditResult(images=tuple(EditedImage(data=name) for name in names), **fields)


@pytest.mark.parametrize(
    ("n", "max_n", "counts"),
    [
        (None, 1, [None]),
        (1, 1, [1]),
        (4, 4, [4]),
        (3, 4, [3]),
        (2, 1, [None, None]),
        (5, 4, [4, 1]),
        (10, 4, [4, 4, 2]),
        (10, 3, [3, 3, 3, 1]),
    ],
)
def test_parts(n: int | None, max_n: int, counts: list[int | None]) -> None:
    parts = split(edit(n), Capabilities(max_n=max_n))
    assert [part.n for part in parts] == counts


def test_an_edit_that_needs_no_split_is_not_touched() -> None:
    whole = edit(4, 7)
    (part,) = split(whole, Capabilities(max_n=4))
    assert part is whole


def test_seeds_count_up_by_the_pictures_before() -> None:
    """So that four pictures by one are the same as one call of four would be asked for."""
    seeds = [part.options.seed for part in split(edit(10, 100), Capabilities(max_n=4))]
    assert seeds == [100, 104, 108]
    assert [part.options.seed for part in split(edit(3, 0), Capabilities())] == [0, 1, 2]


def test_a_seed_that_stands_for_a_random_one_is_the_same_for_all_calls() -> None:
    """Counted up, its calls after the first would be the same at every repetition."""
    can = Capabilities(random_seed=0)
    assert [part.options.seed for part in split(edit(3, 0), can)] == [0, 0, 0]
    assert [part.options.seed for part in split(edit(3, 5), can)] == [5, 6, 7]
    assert [part.options.seed for part in split(edit(2), can)] == [None, None]
    minus = Capabilities(random_seed=-1)
    assert [part.options.seed for part in split(edit(2, -1), minus)] == [-1, -1]


def test_options_without_a_seed() -> None:
    whole = EditRequest(model="m", prompt="x", images=(), n=2, options=None)
    assert [part.options for part in split(whole, Capabilities())] == [None, None]


def test_everything_else_is_the_same_in_all_parts() -> None:
    whole = EditRequest(model="m", prompt="x", images=(), n=3, size="8x8", extra={"a": 1})
    for part in split(whole, Capabilities()):
        assert (part.prompt, part.size, part.extra) == ("x", "8x8", {"a": 1})


def test_merged_results() -> None:
    usage = {"input_tokens": 1, "details": {"text": 2, "deep": {"x": 0.5}}, "note": "words"}
    outcome = merge(
        [
            result("a", "b", cost=0.1, usage=usage, size="8x8", created=5),
            result("c", cost=0.2, usage=usage, size="9x9", created=6),
        ],
        {"x-request-id": "r"},
    )
    assert [image.data for image in outcome.result.images] == ["a", "b", "c"]
    assert outcome.result.cost == 0.3
    assert outcome.result.usage == {"input_tokens": 2, "details": {"text": 4, "deep": {"x": 1.0}}}
    assert (outcome.result.size, outcome.result.created) == ("8x8", 5)
    assert (outcome.headers, outcome.failures) == ({"x-request-id": "r"}, ())
    assert usage["details"] == {"text": 2, "deep": {"x": 0.5}}


def test_further_keys_of_all_calls_are_kept() -> None:
    """What the second call says of a picture that was filtered must not vanish."""
    first, second = {"errors": ["a"], "note": "x"}, {"errors": ["b", "c"], "note": "y", "mask": "M"}
    outcome = merge([result("a", extra=first), result("b", extra=second), result("c")], {})
    assert outcome.result.extra == {"errors": ["a", "b", "c"], "note": "x", "mask": "M"}
    assert (first["errors"], second["errors"]) == (["a"], ["b", "c"])
    mixed = merge([result("a", extra={"k": "x"}), result("b", extra={"k": ["y"]})], {})
    assert mixed.result.extra == {"k": "x"}


def test_the_same_list_of_two_calls_is_kept_twice() -> None:
    shared = ["filtered"]
    outcome = merge([result("a", extra={"filtered": shared})] * 2, {})
    assert outcome.result.extra == {"filtered": ["filtered", "filtered"]}


@pytest.mark.parametrize(
    ("costs", "expected"),
    [([0.1, 0.2], 0.3), ([0.0, 0.0], 0.0), ([0.1, None], None), ([None, None], None)],
)
def test_an_unknown_cost_is_not_nothing(costs: list[float | None], expected: float | None) -> None:
    outcome = merge([result("a", cost=cost) for cost in costs], {})
    assert outcome.result.cost == expected


def test_an_unknown_usage_is_not_nothing() -> None:
    outcome = merge([result("a", usage={"x": 1}), result("b")], {})
    assert outcome.result.usage is None


def test_usage_of_another_shape_in_one_call() -> None:
    """Paid pictures must not be lost because two reports of them do not match."""
    usages: list[dict[str, Any]] = [{"a": 1, "b": {"x": 1}}, {"a": {"x": 1}, "b": 1}]
    outcome = merge([result("a", usage=usage) for usage in usages], {})
    assert len(outcome.result.images) == 2


def test_failures_are_kept_beside_results() -> None:
    failure = ContentRejected()
    outcome = merge([failure, result("a", cost=0.5), failure], {})
    assert outcome.failures == (failure, failure)
    assert outcome.result.cost == 0.5


def test_only_failures() -> None:
    with pytest.raises(ContentRejected):
        merge([ContentRejected(), UpstreamUnreachable()], {})
    with pytest.raises(UpstreamTimeout):
        merge([UpstreamUnreachable(), UpstreamTimeout()], {})
