"""CIBA (OpenID Client-Initiated Backchannel Authentication Core 1.0 section 10.1): poll, or fetch after a ping."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, grants

from idp import decoupled
from idp.tokens.issue import issue


class Ciba(grants.BaseGrant, grants.TokenEndpointMixin):
    GRANT_TYPE = "urn:openid:params:grant-type:ciba"

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        if not self.request.form.get("auth_req_id"):
            raise InvalidRequestError("auth_req_id is missing.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[Any]]:
        unit, client, form = self.request.unit, self.request.client, self.request.form
        family = decoupled.take(unit, client, decoupled.CIBA, form["auth_req_id"])
        return 200, issue(unit, client, family, form), []
