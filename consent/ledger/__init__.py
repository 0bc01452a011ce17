"""The ledger: from the first event on, each one leaves a pending leaf in its own commit."""
