"""`python -m cnnedge`."""

from .cli import main

if __name__ == "__main__":
    main()
