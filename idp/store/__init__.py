"""Tables and queries of the provider. Rows never leave: functions answer dataclasses."""
