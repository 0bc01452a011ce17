"""docs/standards.md, from the tests themselves: `python -m tests.spec.standards > docs/standards.md`.

A test names the standard and section that it proves in its docstring («RFC 7636 section 4.6»), or stands in a file of
tests/spec that opens with the standard's name, in a class named by the section (`TestSection4_6`). What diverges is
joined from docs/divergences.md. The modules of the OpenID Foundation's suites are named in the docstrings too.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent.parent
NAMES = (
    r"RFC \d{4}",
    r"OpenID Connect (?:Core|Discovery|Dynamic Client Registration|RP-Initiated Logout|Back-Channel Logout|Front-Channel Logout)",
    r"OpenID (?:Connect )?Client-Initiated Backchannel Authentication|CIBA",
    r"FAPI 2\.0 (?:Security Profile|Message Signing)",
    r"FAPI-CIBA",
    r"JARM",
    r"OAuth 2\.0 Form Post Response Mode",
    r"OpenID Connect Session Management",
    r"Grant Management for OAuth 2\.0",
    r"NL GOV (?:Assurance profile for )?(?:OpenID Connect|OAuth)",
    r"Dutch API Design Rules",
    r"WebAuthn",
    r"NIST SP 800-63B",
    r"C2SP [a-z-]+",
    r"ISO/IEC TS 27560",
)
_NAME = "|".join(f"(?:{one})" for one in NAMES)
_REFERENCE = re.compile(
    rf"(?P<name>{_NAME})(?: 1\.0(?:\.1)?| level 3)?,? sections? (?P<first>[0-9A-Z][0-9.]*\w?)(?: (?:and|to|or) (?P<last>\d[0-9.]*))?"
)
_OWN = re.compile(rf"^(?:OpenID )?(?P<name>{_NAME})")
_SECTION = re.compile(r"TestSection(\w+)")

MODULES = {
    "Basic OP": "Server, ResponseTypeMissing, IdTokenSignature, IdTokenUnsigned, UserInfoGet, UserInfoPostHeader, "
    "UserInfoPostBody, RequestWithoutNonceSucceeds, Scope profile/email/address/phone/all, OtherScopeOrder, "
    "DisplayPage, DisplayPopup, PromptLogin, PromptNone (in), PromptNone (out), MaxAge 1, MaxAge 10000, "
    "UnknownParameterSucceeds, IdTokenHint, LoginHint, UiLocales, ClaimsLocales, AcrValues, AuthCodeReuse, "
    "AuthCodeReuseAfter30Seconds (revokes), RegisteredRedirectUri, PostRequestSucceeds, ClientSecretPost, "
    "unsigned request / request_uri handled or refused, ClaimsEssential, RequestObjectWithRedirectUri, RefreshToken, "
    "ValidPkce",
    "RP-Initiated Logout": "oidcc-rp-initiated-logout-discovery-endpoint-verification, oidcc-rp-initiated-logout, "
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri, oidcc-rp-initiated-logout-modified-id-token-hint, "
    "oidcc-rp-initiated-logout-no-id-token-hint, oidcc-rp-initiated-logout-no-params, "
    "oidcc-rp-initiated-logout-no-post-logout-redirect-uri, oidcc-rp-initiated-logout-no-state, "
    "oidcc-rp-initiated-logout-only-state, oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri, "
    "oidcc-rp-initiated-logout-bad-id-token-hint",
    "Back-Channel Logout": "oidcc-backchannel-logout-discovery-endpoint-verification, "
    "oidcc-backchannel-rp-initiated-logout",
    "Front-Channel Logout": "oidcc-frontchannel-logout-discovery-endpoint-verification, "
    "oidcc-frontchannel-rp-initiated-logout",
    "Dynamic OP": "oidcc-registration-dynamic, oidcc-discovery-endpoint-verification, oidcc-registration-jwks-uri, "
    "oidcc-registration-logo-uri, oidcc-registration-policy-uri, oidcc-registration-tos-uri, "
    "oidcc-registration-sector-uri, oidcc-registration-sector-bad, oidcc-redirect-uri-regfrag, "
    "oidcc-redirect-uri-query-OK, oidcc-redirect-uri-query-added, oidcc-redirect-uri-query-mismatch, "
    "oidcc-refresh-token-rp-key-rotation, oidcc-request-uri-unsigned, oidcc-request-uri-signed-rs256",
    "FAPI 2.0 Message Signing": "fapi2-security-profile-final-ensure-request-object-with-multiple-aud-succeeds, "
    "fapi2-security-profile-final-ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted, "
    "fapi2-security-profile-final-ensure-request-object-without-exp-fails, "
    "fapi2-security-profile-final-ensure-request-object-without-nbf-fails, "
    "fapi2-security-profile-final-ensure-expired-request-object-fails, "
    "fapi2-security-profile-final-ensure-request-object-with-bad-aud-fails, "
    "fapi2-security-profile-final-ensure-request-object-with-exp-over-60-fails, "
    "fapi2-security-profile-final-ensure-request-object-with-nbf-over-60-fails, "
    "fapi2-security-profile-final-ensure-signed-request-object-with-RS256-fails, "
    "fapi2-security-profile-final-ensure-request-object-signature-algorithm-is-not-none, "
    "fapi2-security-profile-final-ensure-request-object-with-invalid-signature-fails, "
    "fapi2-security-profile-final-ensure-matching-key-in-authorization-request, "
    "fapi2-security-profile-final-ensure-unsigned-request-at-par-endpoint-fails, "
    "fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails, "
    "fapi2-security-profile-final-par-authorization-request-containing-request_uri, "
    "fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object, "
    "fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object, "
    "fapi2-security-profile-final-state-only-outside-request-object-not-used",
    "FAPI 2.0 Security Profile": "Discovery, HappyFlow, UserRejects, WithoutState, WithoutNonce, 64CharNonce, "
    "OtherScopeOrder, ClaimsParameter, AccessTokenTypeHeaderCaseSensitivity, DPoP iat +-10 s, "
    "DPoP binding at PAR and code, RequestUri reusable before authentication completes, "
    "assertion iat/nbf 8 s ahead accepted, RefreshToken, long nonce/state handled, ResponseType code id_token fails, "
    "ResponseType token fails, without PAR fails, missing redirect_uri fails, RegisteredRedirectUri, "
    "HolderOfKeyRequired, code bound to client, ClientIdInTokenEndpoint, code reuse after 1 s fails, expired code fails, "
    "assertion RS256 fails, assertion expired 5 min fails, assertion wrong aud fails, assertion no sub fails, "
    "assertion missing fails, PAR endpoint as assertion audience fails, token endpoint as assertion audience fails, "
    "array as assertion audience fails, iat/nbf > 60 s fails, request_uri reuse fails, request_uri expired fails, "
    "request_uri other client fails, request_uri inside PAR form fails, wrong HTTP verb fails, PKCE missing fails, "
    "PKCE wrong fails, PKCE plain fails, DPoP jkt mismatches fail, DpopNegativeTests, CheckDpopProofNbfExp",
    "FAPI-CIBA": "fapi-ciba-id1, "
    "fapi-ciba-id1-ensure-unsigned-backchannel-authorization-request-fails, "
    "fapi-ciba-id1-ensure-request-object-bad-aud-fails, "
    "fapi-ciba-id1-ensure-request-object-bad-iss-fails, "
    "fapi-ciba-id1-ensure-request-object-expired-exp-fails, "
    "fapi-ciba-id1-ensure-request-object-exp-is-70-minutes-in-future-fails, "
    "fapi-ciba-id1-ensure-request-object-nbf-is-10-minutes-in-future-fails, "
    "fapi-ciba-id1-ensure-request-object-nbf-is-70-minutes-in-past-fails, "
    "fapi-ciba-id1-ensure-request-object-missing-aud-fails, "
    "fapi-ciba-id1-ensure-request-object-missing-exp-fails, "
    "fapi-ciba-id1-ensure-request-object-missing-iat-fails, "
    "fapi-ciba-id1-ensure-request-object-missing-iss-fails, "
    "fapi-ciba-id1-ensure-request-object-missing-jti-fails, "
    "fapi-ciba-id1-ensure-request-object-missing-nbf-fails, "
    "fapi-ciba-id1-ensure-requested-expiry-as-string-succeeds, "
    "fapi-ciba-id1-ensure-request-object-signed-by-other-client-fails, "
    "fapi-ciba-id1-ensure-request-object-signature-algorithm-is-none-fails, "
    "fapi-ciba-id1-ensure-request-object-signature-algorithm-is-RS256-fails, "
    "fapi-ciba-id1-ensure-authorization-request-with-multiple-hints-fails, "
    "fapi-ciba-id1-ensure-authorization-request-with-binding-message-succeeds, "
    "fapi-ciba-id1-ensure-authorization-request-with-potentially-bad-binding-message, "
    "fapi-ciba-id1-ensure-other-scope-order-succeeds, "
    "fapi-ciba-id1-ensure-without-client-assertion-in-backchannel-authorization-request-fails, "
    "fapi-ciba-id1-ensure-without-client-assertion-in-token-endpoint-request-fails, "
    "fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails, "
    "fapi-ciba-id1-ensure-wrong-client-id-in-backchannel-authorization-request, "
    "fapi-ciba-id1-user-rejects-authentication, "
    "fapi-ciba-id1-auth-req-id-expired, "
    "fapi-ciba-id1-multiple-call-to-token-endpoint, "
    "fapi-ciba-id1-ensure-wrong-auth-req-id-in-token-endpoint-request, "
    "fapi-ciba-id1-refresh-token, "
    "fapi-ciba-id1-ping-backchannel-notification-endpoint-return-a-body, "
    "fapi-ciba-id1-ping-backchannel-notification-endpoint-response-401, "
    "fapi-ciba-id1-ping-backchannel-notification-endpoint-response-403, "
    "fapi-ciba-id1-ping-backchannel-notification-endpoint-return-redirect-request, "
    "fapi-ciba-id1-discovery-end-point-verification",
    "Grant Management": "fapi-grant-management: happy flow, "
    "fapi-grant-management: merge, "
    "fapi-grant-management: replace, "
    "fapi-grant-management: invalid id, "
    "fapi-grant-management: query unknown, "
    "fapi-grant-management: revoke, "
    "query after revoke, "
    "other client cannot query or revoke, "
    "amendment revokes old tokens",
}
"""The modules by suite, as requirement 1.11 of our list names them."""


@dataclass(frozen=True, slots=True)
class Test:
    """`texts`: the docstrings of module, class and function. `cases`: the names of its cases. `own`: the module's standard."""

    path: str
    group: str
    name: str
    texts: tuple[str, str, str]
    cases: str

    @property
    def own(self) -> str | None:
        found = _OWN.match(self.texts[0])
        return _plain(found["name"]) if found and self.path.startswith("tests/spec/") else None

    def proves(self) -> set[tuple[str, str]]:
        """(standard, section) pairs; section "" for the standard as a whole."""
        for text in (self.texts[2], self.texts[1]):
            found = {pair for match in _REFERENCE.finditer(text) for pair in _pairs(match)}
            if found:
                return found
        if self.own is None:
            return set()
        section = _SECTION.match(self.group)
        return {(self.own, section[1].replace("_", ".") if section else "")}


def tests() -> Iterator[Test]:
    for path in sorted((HERE / "tests").rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        where, opening = str(path.relative_to(HERE)), ast.get_docstring(tree) or ""
        for node in tree.body:
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            group = node.name if isinstance(node, ast.ClassDef) else ""
            about = (ast.get_docstring(node) or "") if isinstance(node, ast.ClassDef) else ""
            for one in inner:
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name.startswith("test"):
                    yield Test(where, group, one.name, (opening, about, ast.get_docstring(one) or ""), _cases(one))


def divergences() -> dict[tuple[str, str], str]:
    """What docs/divergences.md says, by standard and section."""
    found = {}
    for line in (HERE / "docs" / "divergences.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "standard":
            for section in re.split(r",\s*", cells[1]):
                found[_plain(cells[0]), section] = f"{cells[2]} ({cells[3]})"
    return found


def modules(known: list[Test]) -> dict[str, dict[str, list[str]]]:
    """By suite and module: the tests whose docstring names it in its first line, or a case of theirs does."""
    lines = [(test, f"{test.texts[2].partition(chr(10))[0]} {test.cases}") for test in known]
    return {
        suite: {
            module: sorted({f"{test.path}::{test.name}" for test, line in lines if _names(line, module)})
            for module in names.split(", ")
        }
        for suite, names in MODULES.items()
    }


def page() -> str:
    """The whole document."""
    known = list(tests())
    proven: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for test in known:
        for pair in test.proves():
            proven[pair][f"{test.path}{'::' + test.group if test.group else ''}"] += 1
    other = divergences()
    lines = [
        "# Standards, and the tests that prove them",
        "",
        "Written from the tests by `python -m tests.spec.standards`; a test keeps it so. Done: proven by the tests named.",
        "",
        "| standard | section | done | diverges (why) | proven by |",
        "|---|---|---|---|---|",
    ]
    for pair in sorted({*proven, *other}, key=_order):
        by = ", ".join(f"{place} ({count})" for place, count in sorted(proven[pair].items())) if pair in proven else ""
        done = "yes" if by else "differently"
        lines.append(f"| {pair[0]} | {pair[1]} | {done} | {other.get(pair, '')} | {by} |")
    lines += ["", "## Modules of the OpenID Foundation's suites", "", "| suite | module | test |", "|---|---|---|"]
    for suite, found in modules(known).items():
        lines += [f"| {suite} | {module} | {', '.join(by)} |" for module, by in found.items()]
    return "\n".join(lines) + "\n"


def _cases(test: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The ids that its parameters carry."""
    words = [
        node.value
        for place in test.decorator_list
        for node in ast.walk(place)
        if isinstance(node, ast.keyword) and node.arg == "id"
    ]
    return " ".join(str(one.value) for one in words if isinstance(one, ast.Constant))


def _names(line: str, module: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(module)}(?![\w-])", line) is not None


def _pairs(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    name = _plain(match["name"])
    for section in (match["first"], match["last"]):
        if section:
            yield name, section.rstrip(".")


def _plain(name: str) -> str:
    return re.sub(r" 1\.0(\.1)?$", "", name).replace("Assurance profile for ", "")


def _order(pair: tuple[str, str]) -> tuple[object, ...]:
    return (
        re.sub(r"\d+", lambda found: found[0].zfill(6), pair[0]),
        [(part.zfill(4) if part.isdigit() else part) for part in pair[1].split(".")],
    )


if __name__ == "__main__":
    print(page(), end="")
