"""The web frame: what stands between the server and every route.

`frame` makes one ASGI application of routes (or of a Starlette or FastAPI application) and puts the outermost guard
around it. See `base.web.frame` for what the guard does, `base.web.errors` for how refusals look.
"""

from base.web.addresses import called
from base.web.cached import Cached
from base.web.errors import install
from base.web.frame import Frame, frame
from base.web.headers import content_security_policy, form_action_source

__all__ = ["Cached", "Frame", "called", "content_security_policy", "form_action_source", "frame", "install"]
