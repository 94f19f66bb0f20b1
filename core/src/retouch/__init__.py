"""retouch: one OpenAI-compatible image-edit endpoint in front of every provider.

This module is the whole surface that a plugin may import.
"""

from retouch import errors
from retouch.capabilities import Capabilities, Range, SizeRule
from retouch.errors import (
    ContentRejected,
    Forbidden,
    GatewayError,
    InvalidImage,
    InvalidRequest,
    RateLimited,
    UnknownModel,
    UnsupportedParameter,
    UpstreamAuth,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from retouch.hookspecs import hookimpl
from retouch.media.blob import Blob
from retouch.media.convert import flatten, upright
from retouch.media.masks import Mask
from retouch.models import ModelInfo, ProviderInfo, load_models
from retouch.pricing import Price, TokenDetails, Usage
from retouch.types import (
    Account,
    BaseUrl,
    EditedImage,
    EditEvent,
    EditRequest,
    EditResult,
    Http,
    Picture,
    PictureFile,
    PictureUrl,
    Secret,
    UpstreamRequest,
    UpstreamResponse,
)
from retouch.upstream import openai_wire, sse
from retouch.upstream.body import Base64, Body, FilePart, json_body, multipart_body
from retouch.upstream.cut import Cut, cut

__version__ = "0.1.0"

__all__ = [
    "Account",
    "Base64",
    "BaseUrl",
    "Blob",
    "Body",
    "Capabilities",
    "ContentRejected",
    "Cut",
    "EditEvent",
    "EditRequest",
    "EditResult",
    "EditedImage",
    "FilePart",
    "Forbidden",
    "GatewayError",
    "Http",
    "InvalidImage",
    "InvalidRequest",
    "Mask",
    "ModelInfo",
    "Picture",
    "PictureFile",
    "PictureUrl",
    "Price",
    "ProviderInfo",
    "Range",
    "RateLimited",
    "Secret",
    "SizeRule",
    "TokenDetails",
    "UnknownModel",
    "UnsupportedParameter",
    "UpstreamAuth",
    "UpstreamError",
    "UpstreamInvalid",
    "UpstreamRefused",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamTimeout",
    "UpstreamUnreachable",
    "Usage",
    "cut",
    "errors",
    "flatten",
    "hookimpl",
    "json_body",
    "load_models",
    "multipart_body",
    "openai_wire",
    "sse",
    "upright",
]
