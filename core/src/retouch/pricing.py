"""What an edit costs, from the provider's own usage report and a table of prices.

Prices are data (``models.toml``, or ``[accounts.NAME.models.MODEL.price]``); a cost that
cannot be known is ``None``, never 0.
"""

from __future__ import annotations

import msgspec

_MILLION = 1_000_000


class TokenDetails(msgspec.Struct, frozen=True):
    """How many tokens were text and how many were picture."""

    text_tokens: int | None = None
    image_tokens: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """OpenAI's ``usage`` object of an image answer, as far as pricing needs it."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars: per million tokens by kind, per returned picture, or per megapixel."""

    text_in: float | None = None
    image_in: float | None = None
    image_out: float | None = None
    text_out: float | None = None
    per_image: float | None = None
    per_megapixel: float | None = None

    def of_usage(self, usage: Usage | None) -> float | None:
        """The cost of one answer, text and picture tokens priced apart.

        ``None`` when the usage or a price that it needs is missing. Output tokens without
        details are picture tokens (contract: "all output is image").
        """
        if usage is None or usage.input_tokens_details is None or usage.output_tokens is None:
            return None
        taken = usage.input_tokens_details
        made = usage.output_tokens_details or TokenDetails(0, usage.output_tokens)
        total = 0.0
        for tokens, price in (
            (taken.text_tokens, self.text_in),
            (taken.image_tokens, self.image_in),
            (made.image_tokens, self.image_out),
            (made.text_tokens, self.text_out),
        ):
            if tokens and price is None:
                return None
            total += (tokens or 0) * (price or 0.0)
        return round(total / _MILLION, 10)

    def of_images(self, count: int) -> float | None:
        """The cost of ``count`` returned pictures; ``None`` without a price per picture."""
        return None if self.per_image is None else round(self.per_image * count, 10)

    def of_megapixels(self, count: float) -> float | None:
        """The cost of ``count`` megapixels by the provider's count; ``None`` without a price."""
        return None if self.per_megapixel is None else round(self.per_megapixel * count, 10)
