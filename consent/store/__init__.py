"""Tables and queries of the registry. Rows never leave: functions answer dataclasses."""
