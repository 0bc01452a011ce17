"""Three small agencies, to look at and to copy: a municipality, a health insurer, a tax authority."""
