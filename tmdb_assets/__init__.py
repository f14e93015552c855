"""Download long lists of TMDB URLs through Dagster, never above a hard rate limit."""
