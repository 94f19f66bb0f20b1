from __future__ import annotations

import pytest

from retouch.pricing import Price, TokenDetails, Usage

PRICE = Price(text_in=5.0, image_in=8.0, image_out=30.0)


def usage(
    text: int | None, image: int | None, output: int | None, made: TokenDetails | None = None
) -> Usage:
    return Usage(
        output_tokens=output, input_tokens_details=TokenDetails(text, image),
        output_tokens_details=made,
    )  # fmt: skip


def test_the_worked_example() -> None:
    """19 text, 352 image and 439 output tokens at 5, 8 and 30 dollars a million:
    19 * 5 + 352 * 8 + 439 * 30 = 95 + 2816 + 13170 = 16081 millionths of a dollar."""
    assert PRICE.of_usage(usage(19, 352, 439)) == 0.016081


def test_output_is_pictures_unless_the_details_say_otherwise() -> None:
    price = Price(text_in=1.0, image_in=1.0, image_out=30.0, text_out=10.0)
    made = TokenDetails(text_tokens=100, image_tokens=400)
    # 10 + 20 + 400 * 30 + 100 * 10 = 13030
    assert price.of_usage(usage(10, 20, 500, made)) == 0.01303
    assert price.of_usage(usage(10, 20, 500)) == 0.01503


@pytest.mark.parametrize(
    "reported",
    [
        None,
        Usage(),
        Usage(input_tokens=5, output_tokens=5),
        Usage(input_tokens_details=TokenDetails(1, 1)),
    ],
)
def test_an_unknown_usage_costs_an_unknown_sum(reported: Usage | None) -> None:
    assert PRICE.of_usage(reported) is None


def test_a_missing_price_makes_the_sum_unknown_only_where_it_is_needed() -> None:
    made = TokenDetails(text_tokens=1, image_tokens=1)
    assert PRICE.of_usage(usage(1, 1, 2, made)) is None
    assert Price(image_out=30.0).of_usage(usage(0, None, 1)) == 0.00003
    assert Price(text_in=5.0).of_usage(usage(1, 0, 1)) is None
    assert Price().of_usage(usage(0, 0, 0)) == 0.0
    assert Price().of_usage(usage(1, 0, 0)) is None


def test_a_free_model_costs_nothing_which_is_not_unknown() -> None:
    free = Price(text_in=0.0, image_in=0.0, image_out=0.0, per_image=0.0)
    assert free.of_usage(usage(1, 1, 1)) == 0.0
    assert free.of_images(3) == 0.0


def test_a_price_per_picture() -> None:
    assert Price(per_image=0.04).of_images(3) == 0.12
    assert Price(per_image=0.1).of_images(3) == 0.3
    assert PRICE.of_images(1) is None


def test_megapixels_are_priced_as_they_were_counted() -> None:
    # 0.39 taken and 1 made, at 5 cents each: 1.39 * 0.05.
    assert Price(per_megapixel=0.05).of_megapixels(1.39) == 0.0695
    assert Price(per_image=0.05).of_megapixels(1.39) is None
