"""The command line: `tmdb-assets`. Reads the environment, prints, and sets exit codes."""
