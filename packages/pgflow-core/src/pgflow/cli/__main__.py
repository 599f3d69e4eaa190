"""Runs the command line as `python -m pgflow.cli`, with the interpreter that is at hand."""

from pgflow.cli.app import main

if __name__ == "__main__":
    main()
