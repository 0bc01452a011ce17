"""Strict reading of what arrives: queries, urlencoded forms, JSON bodies.

Multipart is never read: no form of ours uploads, and its parsers have a history (CVE-2026-40347, CVE-2026-42561).
Limits hold before parsing; what two parsers could read in two ways is refused: a name given twice, bad UTF-8, bad
percent-encoding, NUL. RFC 6749 section 3.1 asks for the same of OAuth parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from base.problems import Problem

MAX_BODY = 128 * 1024  # twice what the longest body of the API takes when every character is escaped
"""Bytes of a body."""
MAX_FIELDS = 100
MAX_DEPTH = 20
"""Levels of nested JSON objects and arrays."""

T = TypeVar("T")

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTENT_TYPE_LIMIT = 200
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class Form(Mapping[str, str]):
    """Names and values as sent, each name once, apart from those the caller allowed to repeat (`all`)."""

    __slots__ = ("_values",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name that may repeat (`resource`, RFC 8707)."""
        return tuple(self._values.get(name, ()))


def parse_form(raw: bytes, *, repeatable: frozenset[str] = frozenset()) -> Form:
    """A urlencoded body or query.

    `repeatable`: names that may come more than once. Raises Problem 400.
    """
    if raw.count(b"&") >= MAX_FIELDS:
        raise Problem(400, "There are too many fields.")
    try:
        text = raw.decode("utf-8")
        if _BAD_PERCENT.search(text):
            raise Problem(400, "The form is not encoded correctly.")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Problem(400, "The form is not valid UTF-8.") from error
    seen: set[str] = set()
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise Problem(400, "The form contains a NUL character.")
        if name in seen and name not in repeatable:
            raise Problem(400, "A field is given more than once.")
        seen.add(name)
    return Form(pairs)


def parse_query(request: Request, *, repeatable: frozenset[str] = frozenset()) -> Form:
    """The query string, read as strictly as a form. Raises Problem 400."""
    return parse_form(request.scope["query_string"], repeatable=repeatable)


def no_query(request: Request) -> None:
    """Problem 400 for any parameter: what somebody puts there would be overlooked, and he would not know."""
    if request.scope["query_string"]:
        raise Problem(400, "This address takes no query parameters.")


async def read_form(request: Request, *, limit: int = MAX_BODY, repeatable: frozenset[str] = frozenset()) -> Form:
    """The body of a form post.

    Raises Problem: 415 when it is not urlencoded, 413 above `limit` bytes, 400 when malformed.
    """
    _require(request, _FORM)
    return parse_form(await _body(request, limit), repeatable=repeatable)


async def read_json(request: Request, type_: type[T], *, limit: int = MAX_BODY) -> T:
    """The JSON body as `type_`, a msgspec Struct with `forbid_unknown_fields=True`.

    Raises Problem: 415 when it is not JSON (a simple cross-site request cannot say so: CVE-2021-32677), 413 above
    `limit` bytes, 400 when malformed, too deep, with a key twice, with unknown members or wrong types.
    """
    _require(request, _JSON)
    return parse_json(await _body(request, limit), type_)


def parse_json(raw: bytes, type_: type[T]) -> T:
    """As `read_json`, from bytes."""
    body = _json(raw)
    config = getattr(type_, "__struct_config__", None)
    if config is not None and not config.forbid_unknown_fields:
        raise TypeError(f"{type_} must be declared with forbid_unknown_fields=True")
    try:
        return msgspec.convert(body, type_, strict=True)
    except msgspec.ValidationError as error:
        raise Problem(
            400, "The body does not have the expected members.", errors=_mistakes(body, type_, error)
        ) from error


def media_type(header: str | None) -> str:
    """The media type alone, lower case; parameters are read by nobody but a wrong charset is refused ("").

    Split by hand: no regular expression meets this header (CVE-2024-24762).
    """
    if not header or len(header) > _CONTENT_TYPE_LIMIT:
        return ""
    kind, _, parameters = header.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            return ""
    return kind.strip().lower()


def takes_json(accept: str) -> bool:
    """Whether an Accept header admits an answer in JSON (RFC 9110 section 12.5.1); an empty one admits all."""
    return takes(accept, _JSON, "application/problem+json")


def takes(accept: str, *kinds: str) -> bool:
    """The same of any of these kinds, all of `application`."""
    if accept in ("", "*/*", *kinds):
        return True
    for part in accept[:_CONTENT_TYPE_LIMIT].split(","):
        kind, _, parameters = part.partition(";")
        refused = any(
            one.strip().replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for one in parameters.split(";")
        )
        if kind.strip().lower() in ("*/*", "application/*", *kinds) and not refused:
            return True
    return False


def _require(request: Request, wanted: str) -> None:
    given = request.headers.getlist("content-type")
    if len(given) != 1 or media_type(given[0]) != wanted:
        raise Problem(415, f"Send the body as {wanted}.", headers={"accept-post": wanted})


async def _body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it passes the limit, whatever Content-Length says."""
    body = bytearray()  # a bytes object would be copied whole for each chunk, and chunks may be of one byte
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise Problem(413)
        if not message.get("more_body", False):
            return bytes(body)


def _json(raw: bytes) -> Any:
    """Strictly: what most parsers let pass (a key twice, deep nesting, lone surrogates, NUL, NaN) is refused."""
    try:
        parsed = _STRICT.decode(raw.decode("utf-8"))
    except Problem:
        raise
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The body is not valid JSON.") from error
    # Fewer brackets than levels allowed cannot nest too deep: only larger bodies are walked.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(parsed) > MAX_DEPTH:
        raise Problem(400, "The body is nested too deep.")
    if b"\\u" in raw or b"\0" in raw:
        text = json.dumps(parsed, ensure_ascii=False)
        if "\\u0000" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise Problem(400, "The body contains characters that are not allowed.")
    return parsed


def _mistakes(body: Any, type_: Any, first: msgspec.ValidationError) -> list[dict[str, str]]:
    """All that is wrong with a body, member by member: whoever mends it mends it once. Nothing sent is repeated."""
    if not isinstance(body, dict) or not hasattr(type_, "__struct_fields__"):
        return [_mistake("", first)]
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    found = []
    for name, field in fields.items():
        if name not in body:
            if field.required:
                found.append({"in": "body", "location": f"$.{name}", "detail": "This member is required."})
            continue
        try:
            msgspec.convert(body[name], field.type, strict=True)
        except msgspec.ValidationError as error:
            found.append(_mistake(f".{name}", error))
    if not fields.keys() >= body.keys():
        known = ", ".join(fields)
        found.append({"in": "body", "location": "$", "detail": f"{_UNKNOWN} Known are: {known}."})
    return found or [_mistake("", first)]


def _mistake(place: str, error: msgspec.ValidationError) -> dict[str, str]:
    detail, _, inner = str(error).partition(" - at ")
    if detail.startswith("Invalid enum value"):
        detail = "This is none of the values that the API's description lists here."
    elif detail.startswith("Object contains unknown field"):
        detail = _UNKNOWN
    # The end of a text, as JSON Schema writes it.
    detail = detail.replace("\\\\Z'", "$'")
    location = f"${place}{inner.strip('`').removeprefix('$')}"
    return {"in": "body", "location": location[:100], "detail": detail[:200]}


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem(400, "A member is given more than once.")
    return found


def _depth(value: Any) -> int:
    deepest = 0
    waiting = [(value, 1)]
    while waiting:
        here, level = waiting.pop()
        if isinstance(here, dict | list):
            deepest = max(deepest, level)
            waiting.extend((child, level + 1) for child in (here.values() if isinstance(here, dict) else here))
    return deepest


def _no_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


_UNKNOWN = "There are members that are not known here."
_STRICT = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
