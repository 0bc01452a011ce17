"""What an agency installs: login, permits, releasing as a source, verification. Speaks the wire only."""
