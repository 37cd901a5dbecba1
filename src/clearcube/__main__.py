"""`python -m clearcube`."""

from clearcube.cli import main

main()
