"""The words of the contract between the core and its plugins.

Everything here is immutable: a hook gets values and returns values. Pictures are ``Blob``s
and base64 is carried as text, so that nothing large is copied on its way through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from retouch.media.blob import Blob
from retouch.upstream.body import Body

if TYPE_CHECKING:
    from retouch.media.masks import Mask
    from retouch.models import ModelInfo

PictureFormat = Literal["png", "jpeg", "webp"]


#: Where a provider is: https, or plain http on this machine, as tests use it.
BaseUrl = Annotated[
    str,
    Meta(
        pattern=r"^(https://[^/?#\s@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/[^?#\s]*)?$",
        description="an https address (or http on 127.0.0.1), without query or credentials",
    ),
]


class Secret:
    """A credential. ``reveal()`` gives the text; ``repr``, ``str`` and logs never do."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The credential itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture whose bytes are here and whose structure was checked.

    :param format: by its bytes, never by the client's word.
    :param width: stored columns; EXIF orientation is not applied.
    :param alpha: whether it has an alpha channel or transparent colours.
    :param orientation: EXIF orientation, 1 to 8; 5 to 8 swap the displayed sides.
    :param inline: whether it came as a ``data:`` URL in a JSON body.
    """

    blob: Blob
    format: PictureFormat
    width: int
    height: int
    alpha: bool = False
    orientation: int = 1
    inline: bool = False

    @property
    def mime(self) -> str:
        """The media type, ``image/png`` and so on."""
        return f"image/{self.format}"

    @property
    def extension(self) -> str:
        """The customary file name extension, without the dot."""
        return "jpg" if self.format == "jpeg" else self.format


class PictureUrl(msgspec.Struct, frozen=True):
    """A picture that the provider shall fetch itself; only for models with ``image_urls``."""

    url: str


class PictureFile(msgspec.Struct, frozen=True):
    """A picture stored at OpenAI; only for models with ``file_ids``."""

    file_id: str


PictureInput = Picture | PictureUrl | PictureFile


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's optional parameters, with OpenAI's bounds; ``None`` means: not sent."""

    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: Annotated[str, Meta(max_length=32)] | None = None
    quality: Annotated[str, Meta(max_length=32)] | None = None
    background: Annotated[str, Meta(max_length=32)] | None = None
    input_fidelity: Annotated[str, Meta(max_length=32)] | None = None
    output_format: Annotated[str, Meta(max_length=32)] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    stream: bool | None = None
    response_format: Annotated[str, Meta(max_length=32)] | None = None
    moderation: Annotated[str, Meta(max_length=32)] | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=512)] | None = None
    complexity: Annotated[str, Meta(max_length=32)] | None = None
    frame_count: Annotated[int, Meta(ge=2, le=16)] | None = None
    frame_duration_ms: Annotated[int, Meta(ge=20, le=655_350)] | None = None
    svg: dict[str, Any] | None = None


#: The names of OpenAI's optional parameters.
PARAMETERS: tuple[str, ...] = Parameters.__struct_fields__


class EditRequest(Parameters, frozen=True, kw_only=True):
    """One edit, however it arrived. OpenAI's parameters are attributes of the same name.

    :param model: the model's id as the provider knows it, without the account.
    :param name: the name by which the client asked for it, without the account.
    :param mask: the area to edit; asks for a convention by name (``Mask.white_edits()`` ...).
        A ``PictureUrl`` or ``PictureFile`` only for models that take such references.
    :param options: the provider's own fields, decoded into its ``options`` struct.
    :param extra: fields that neither OpenAI nor the plugin declares, as they were sent.
    :param metadata: the client's notes, for logs and hooks; never sent upstream.
    :param headers: further upstream headers the client asked for; the core adds them.
    """

    model: str
    name: str = ""
    prompt: str
    images: tuple[PictureInput, ...]
    mask: Mask | PictureUrl | PictureFile | None = None
    markup: Picture | None = None
    options: Any = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    request_id: str = ""

    def parameters(self) -> dict[str, Any]:
        """OpenAI's parameters that are set, by name."""
        return {name: value for name in PARAMETERS if (value := getattr(self, name)) is not None}


class Account(msgspec.Struct, frozen=True, kw_only=True, eq=False, weakref=True):
    """One configured account of a provider.

    :param settings: an instance of the plugin's own settings struct.
    :param state: the plugin's scratch space, for example a cached token and its lock.
    :param models: the account's models by public name.
    """

    name: str
    provider: str
    settings: Any
    models: Mapping[str, ModelInfo] = msgspec.field(default_factory=dict)
    state: dict[str, Any] = msgspec.field(default_factory=dict)

    def model(self, edit: EditRequest) -> ModelInfo | None:
        """The model that an edit asked for; ``None`` for an id that is not listed."""
        return self.models.get(edit.name) or self.with_id(edit.model)

    def with_id(self, id: str) -> ModelInfo | None:
        """The first listed model that goes upstream as ``id``."""
        return next((model for model in self.models.values() if model.id == id), None)


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request to the provider.

    :param stream: leave a 2xx answer unread for ``translate_stream``.
    :param context: anything the plugin's own ``call`` needs; never sent.
    """

    method: str
    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: Body = msgspec.field(default_factory=Body)
    stream: bool = False
    context: Any = None

    def __repr__(self) -> str:
        # Headers carry credentials, so they never reach a log by accident.
        return f"<UpstreamRequest {self.method} {self.url.partition('?')[0]}>"


class UpstreamResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's answer.

    :param headers: names in lower case.
    :param body: the whole body; empty while ``stream`` is set.
    :param stream: the unread body of a 2xx answer to a request with ``stream=True``.
    :param context: anything the plugin's ``call`` leaves for ``translate_response``.
    """

    status: int
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    context: Any = None

    def __repr__(self) -> str:
        return f"<UpstreamResponse {self.status}, {len(self.body)} bytes>"


#: Base64 text as it came, or raw bytes that the core encodes while it answers.
ImageData = str | bytes | memoryview | Blob


class EditedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One resulting picture.

    :param data: base64 text (``str``, ``bytes`` or ``memoryview``), passed on as it is; or a
        ``Blob`` with the picture itself.
    :param url: where the picture is, for a provider that returns links instead of data.
    """

    data: ImageData | None = None
    url: str | None = None
    revised_prompt: str | None = None


class EditResult(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's result in OpenAI's terms; ``None`` where the provider does not say.

    :param created: unix seconds; the core fills it in.
    :param usage: OpenAI's ``usage`` object.
    :param cost: US dollars; ``None`` when unknown, never 0 for unknown.
    :param extra: further top-level keys of the answer.
    """

    images: tuple[EditedImage, ...]
    created: int | None = None
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: dict[str, Any] | None = None
    cost: float | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class EditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a streamed edit.

    :param type: ``image_edit.partial_image`` or ``image_edit.completed``.
    :param data: the event's JSON object as text on one line; ``type`` is one of its keys.
    :param cost: US dollars, on a completed event; the core writes it into the object.
    """

    type: str
    data: bytes
    cost: float | None = None


class Http(Protocol):
    """The way out that ``call`` gets: a shared connection pool under this edit's deadline."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send once; see ``retouch.upstream.client`` for the errors."""
        ...

    @property
    def remaining(self) -> float:
        """Seconds until the edit's deadline."""
        ...
