"""Which paths exist: the exact search, and the table of paths that it is kept in."""
