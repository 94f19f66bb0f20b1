"""Providers with one fault each in what they say of themselves or ask of their vendor.

They are made from the example by changing its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ACME = Path(__file__).parents[2] / "examples" / "acme_provider"

Change = tuple[str, str]


@dataclass(frozen=True)
class Fault:
    """One fault.

    :param caught_by: every test of the kit that has to fail; no other may.
    :param change: texts of ``retouch_acme.py`` and what stands there instead.
    :param add: more text at the end of ``retouch_acme.py``.
    :param test: texts of ``test_acme.py`` and what stands there instead.
    """

    name: str
    caught_by: tuple[str, ...]
    change: tuple[Change, ...] = ()
    add: str = ""
    test: tuple[Change, ...] = ()

    @property
    def module(self) -> str:
        """The name of its module."""
        return "acme_" + self.name.replace(" ", "_")

    def files(self) -> dict[str, str]:
        """The module and its test, by file name."""
        own = (("retouch_acme", self.module), ('name="acme"', f'name="{self.module}"'))
        source = (ACME / "retouch_acme.py").read_text()
        test = (ACME / "test_acme.py").read_text()
        return {
            f"{self.module}.py": _changed(source, (*self.change, own[1])) + self.add,
            f"test_{self.module}.py": _changed(test, self.test).replace(*own[0]),
        }


def _changed(text: str, changes: tuple[Change, ...]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return text


REQUEST_FAULTS = (
    # Masks and pictures.
    Fault(
        "inverted mask",
        ("test_the_mask_marks_the_same_area_upstream",),
        change=(("edit.mask.white_edits()", "edit.mask.black_edits()"),),
    ),
    Fault(
        "mask as it came",
        ("test_the_mask_marks_the_same_area_upstream",),
        change=(("edit.mask.white_edits()", "edit.mask.alpha()"),),
    ),
    Fault(
        "mask left out",
        ("test_the_mask_marks_the_same_area_upstream",),
        change=(("if isinstance(edit.mask, Mask)", "if not isinstance(edit, EditRequest)"),),
    ),
    Fault(
        "mask convention not declared",
        ("test_the_mask_convention_is_declared", "test_the_mask_marks_the_same_area_upstream"),
        test=(('mask_convention = "white_edits"', "mask_convention = None"),),
    ),
    Fault(
        "first picture only",
        ("test_all_pictures_arrive_in_order",),
        change=(("for item in edit.images if", "for item in edit.images[:1] if"),),
    ),
    Fault(
        "pictures turned round",
        ("test_all_pictures_arrive_in_order",),
        change=(("for item in edit.images if", "for item in edit.images[::-1] if"),),
    ),
    Fault(
        "wrong type of data url",
        ("test_pictures_are_declared_as_what_they_are",),
        change=(("[Base64(item.blob) for", '[Base64(item.blob, "data:image/webp;base64,") for'),),
    ),
    Fault(
        "pictures in memory",
        ("test_large_pictures_stay_on_disk",),
        change=(
            (
                "body=json_body(value)",
                'body=Body((b"".join(json_body(value).chunks()),), "application/json")',
            ),
            ("    Base64,\n", "    Base64,\n    Body,\n"),
        ),
    ),
    # What goes upstream.
    Fault(
        "secret in the address",
        ("test_secrets_are_not_in_the_address",),
        change=(('"/v1/edits"', 'f"/v1/edits?key={settings.api_key.reveal()}"'),),
    ),
    Fault(
        "metadata sent",
        ("test_the_gateways_own_fields_stay_here",),
        change=(('"text": edit.prompt,', '"text": edit.prompt, "note": edit.metadata,'),),
    ),
    Fault(
        "account sent",
        ("test_the_model_goes_without_the_account",),
        change=(('"model": edit.model', '"model": f"{account.name}/{edit.model}"'),),
    ),
    Fault(
        "unknown fields swallowed",
        ("test_unknown_fields_follow_the_declared_policy",),
        change=(("streaming=True,", 'streaming=True,\n            extra_fields="forward",'),),
    ),
    Fault(
        "option dropped",
        ("test_every_option_reaches_the_provider",),
        change=(("msgspec.structs.asdict(edit.options)", '{"style": edit.options.style}'),),
    ),
    Fault(
        "option of another model dropped",
        ("test_every_option_reaches_the_provider",),
        test=(
            ("    replies = REPLIES\n", '    replies = REPLIES\n    foreign_options = ("seed",)\n'),
        ),
    ),
    Fault(
        "option of another model blamed on something else",
        ("test_every_option_reaches_the_provider",),
        change=(
            (
                "    if not edit.prompt.isascii()",
                "    if edit.options is not None and edit.options.seed is not None:\n"
                '        raise InvalidRequest("No.", param="prompt")\n'
                "    if not edit.prompt.isascii()",
            ),
        ),
        test=(
            ("    replies = REPLIES\n", '    replies = REPLIES\n    foreign_options = ("seed",)\n'),
        ),
    ),
    Fault(
        "parameter dropped",
        ("test_every_parameter_reaches_the_provider",),
        change=(('value["detail"] = DETAIL[edit.quality]', "pass"),),
    ),
    Fault(
        "number dropped",
        ("test_every_parameter_reaches_the_provider",),
        change=(('"count": edit.n or 1', '"count": 1'),),
    ),
    Fault(
        "something new each time",
        ("test_translate_request_is_deterministic",),
        change=(('"text": edit.prompt,', '"text": edit.prompt, "at": int(time.time()),'),),
    ),
    Fault(
        "input changed",
        ("test_the_edit_is_left_alone",),
        change=(("settings: Settings = account", "edit.metadata.clear()\n    settings = account"),),
    ),
    Fault(
        "waiting while translating",
        ("test_sync_hooks_return_at_once",),
        change=(("settings: Settings = account", "time.sleep(0.001)\n    settings = account"),),
    ),
    Fault(
        "network while translating",
        ("test_sync_hooks_return_at_once",),
        change=(
            (
                "settings: Settings = account",
                'import socket; socket.getaddrinfo("127.0.0.1", 80)\n    settings = account',
            ),
        ),
    ),
    Fault(
        "file while translating",
        ("test_sync_hooks_return_at_once",),
        change=(
            ("settings: Settings = account", "open(__file__).close()\n    settings = account"),
        ),
    ),
    Fault(
        "slash doubled",
        ("test_a_trailing_slash_changes_nothing",),
        change=(('.rstrip("/")', ""),),
    ),
    # The description.
    Fault(
        "hook misspelt",
        ("test_hooks_match_the_specs",),
        change=(("def translate_response(", "def translate_respones("),),
    ),
    Fault(
        "hook not marked",
        ("test_hooks_match_the_specs",),
        change=(("@hookimpl\nasync def translate_stream", "async def translate_stream"),),
    ),
    Fault(
        "hook of the wrong colour",
        ("test_hooks_match_the_specs",),
        change=(("def validate(edit", "async def validate(edit"),),
    ),
    Fault(
        "argument that no hook has",
        ("test_hooks_match_the_specs",),
        change=(("def validate(edit: EditRequest)", "def validate(edit, prompt)"),),
    ),
    Fault(
        "key as text",
        (
            "test_credentials_are_secrets",
            "test_secrets_reach_nobody_but_the_provider",
            "test_secrets_show_in_no_repr",
        ),
        change=(("api_key: Secret", "api_key: str"), ("api_key.reveal()", "api_key")),
    ),
    Fault(
        "any address",
        ("test_the_address_is_checked",),
        change=(("base_url: BaseUrl", "base_url: str"),),
    ),
    Fault(
        "option that must be sent",
        ("test_the_options_can_all_be_left_out",),
        change=(('"drawing"] | None = None', '"drawing"]'),),
    ),
    Fault(
        "option with a name of openai",
        ("test_the_options_can_all_be_left_out",),
        change=(("    seed: Annotated[int", "    user: Annotated[int"),),
    ),
    Fault(
        "capabilities out of bounds",
        ("test_capabilities_are_coherent",),
        change=(('sizes=("512x512",', 'sizes=("512 x 512", "512x512",'),),
    ),
    Fault(
        "limit that capabilities hide",
        ("test_the_longest_prompt_is_taken",),
        change=(("if not edit.prompt.isascii()", "if len(edit.prompt) > 400"),),
    ),
)
