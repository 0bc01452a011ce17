"""Rich authorization requests (RFC 9396) of one type: personal_data_use. The asking page is made from them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from consent.interface import ConsentError, PersonalDataUse
from idp.errors import OAuthError

TYPE = "personal_data_use"
MAX_LENGTH = 8_192
DAY_S = 86_400
_SLUG = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,62}\Z")]


class Detail(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`data`: without it, all of the purpose, or all of it that comes from `source`. `source`: the agency that has the data.

    `duration_days`: shorter than the purpose's maximum, if given. `one_time`: the consent ends with its first use.
    """

    type: str
    purpose: _SLUG
    data: Annotated[list[_SLUG], msgspec.Meta(min_length=1, max_length=30)] | None = None
    source: _SLUG | None = None
    duration_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    one_time: bool = False


def read(text: str | None) -> list[dict[str, Any]]:
    """The details, checked, as they will be stored and answered. OAuthError invalid_authorization_details (section 5)."""
    if text is None:
        return []
    try:
        details = msgspec.json.decode(text[: MAX_LENGTH + 1], type=list[Detail])
    except msgspec.ValidationError as error:
        raise _not_as_documented(error) from None
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise OAuthError("invalid_authorization_details", "The authorization_details are not as documented.") from None
    if len(text) > MAX_LENGTH or not details or len(details) > 10 or any(one.type != TYPE for one in details):
        raise OAuthError("invalid_authorization_details", f"The only supported type is {TYPE}, at most 10 of them.")
    return [msgspec.to_builtins(one) for one in details]


def _not_as_documented(error: msgspec.ValidationError) -> OAuthError:
    """Which member it is, in words of our own: nothing that was sent is repeated."""
    place = str(error).rpartition(" - at ")[2].strip("`").removeprefix("$") if " - at " in str(error) else ""
    known = ", ".join(Detail.__struct_fields__)
    said = f"The authorization_details{place[:40]} are not as documented. It is an array of objects; their members are {known}."
    return OAuthError("invalid_authorization_details", said)


def narrowed(granted: list[dict[str, Any]], text: str | None) -> list[dict[str, Any]]:
    """What a token request says it needs, of what was granted (section 6.1). OAuthError invalid_authorization_details.

    It changes the answer alone: no token of ours carries what a citizen allowed.
    """
    if text is None:
        return granted
    asked = read(text)
    if any(one not in granted for one in asked):
        raise OAuthError("invalid_authorization_details", "More is asked than was granted.")
    return asked


def told(error: ConsentError) -> str:
    """What the registry says of a request, as a sentence."""
    return f"{error}.".capitalize()


def uses(details: list[dict[str, Any]]) -> list[PersonalDataUse]:
    """What to ask the registry."""
    return [
        PersonalDataUse(
            one["purpose"],
            tuple(one["data"]) if one.get("data") else None,
            one["duration_days"] * DAY_S if one.get("duration_days") else None,
            one.get("source"),
            one.get("one_time", False),
        )
        for one in details
    ]
