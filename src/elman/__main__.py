"""`python -m elman`, the same as `elman`."""

from __future__ import annotations

from elman.apps.cli import main

if __name__ == "__main__":
    main()
