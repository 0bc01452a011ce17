"""device_code (RFC 8628 section 3.4): a device polls until its citizen has answered elsewhere."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, grants

from idp import decoupled
from idp.tokens.issue import issue


class DeviceCode(grants.BaseGrant, grants.TokenEndpointMixin):
    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        if not self.request.form.get("device_code"):
            raise InvalidRequestError("device_code is missing.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[Any]]:
        unit, client, form = self.request.unit, self.request.client, self.request.form
        family = decoupled.take(unit, client, decoupled.DEVICE, form["device_code"])
        return 200, issue(unit, client, family, form), []
