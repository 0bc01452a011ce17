"""All that the house has of a citizen, for the citizen (GDPR art. 15 and 20). docs/export.md tells its members."""
