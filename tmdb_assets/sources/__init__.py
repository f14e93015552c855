"""Where lists of URLs come from when TMDB itself names the ids: daily exports, lists of changes.

`exports` and `changes` put it together; `kinds` and `shapes` say which URLs there can be, `known`
which are frozen already, `change_windows` reads days of changes, `kept_days` keeps those that are
over, and `list_file` writes the result whole or not at all.
"""
