"""Resource indicators (RFC 8707): a client names, by exact address, the API that its token is for.

`resource` may come more than once. Inside it is one text, separated by spaces, which no URI holds. A token is for one API
(RFC 9068 section 3), the one that its scopes belong to; `resource` says that the client means it, and can only narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from base.forms import Form
from idp.errors import OAuthError
from idp.scopes import APIS, USERINFO

REPEATABLE = frozenset({"resource"})
MOST = 10


def joined(form: Form) -> dict[str, str]:
    """The parameters as a plain mapping, with those that repeat in one."""
    given = dict(form)
    if "resource" in form:
        given["resource"] = text(form.all("resource"))
    return given


def text(values: Sequence[str]) -> str:
    # A space inside a value must not make two of one.
    return " ".join(value.replace(" ", "%20") for value in values)


def read(form: Mapping[str, str]) -> tuple[str, ...]:
    """What the client named; empty when it named nothing."""
    return tuple(dict.fromkeys(form.get("resource", "").split(" "))) if "resource" in form else ()


def check(form: Mapping[str, str], scope: str, issuer: str) -> None:
    """At an authorization request (section 2.1): known APIs, the scopes' own among them. OAuthError invalid_target."""
    named = read(form)
    known = {issuer + path for path in (USERINFO, *APIS)}
    if named and (len(named) > MOST or not known.issuperset(named) or address(scope, issuer) not in named):
        raise invalid_target()


def audience(scope: str, issuer: str, *, asked: Sequence[str], granted: Sequence[str] = ()) -> str:
    """The one API that a token with these scopes is for (section 2.2). OAuthError invalid_target.

    `asked`: with this token request. `granted`: with the authorization request, which it may not leave.
    """
    where = address(scope, issuer)
    if not {where}.issuperset(asked) or (granted and where not in granted):
        raise invalid_target()
    return where


def address(scope: str, issuer: str) -> str:
    """The API of these scopes. OAuthError invalid_target when they are of two."""
    wanted = set(scope.split())
    apis = [path for path, scopes in APIS.items() if wanted & set(scopes)] or [USERINFO]
    if len(apis) > 1:
        raise invalid_target()
    return issuer + apis[0]


def invalid_target() -> OAuthError:
    return OAuthError("invalid_target", "The resource is unknown here, or does not go with the scope (RFC 8707).")
