"""`python -m tmdb_assets.cli`: the command where no console script is installed."""

from tmdb_assets.cli.main import main

if __name__ == "__main__":
    main()
