"""PDF that can be read aloud: every word is tagged, selectable and in a known language (ISO 32000-1, sections 14.7 to 14.9).

Written while it is made, and with nothing of others: no library at hand tags text. The fonts are DejaVu Sans, without
the letters of other scripts than Latin, Greek and Cyrillic; their licence is beside them.
"""
