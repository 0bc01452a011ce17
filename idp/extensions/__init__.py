"""Extensions to the protocol, one file per standard."""
