"""python -m mrcnn."""

import sys

from mrcnn import cli

if __name__ == "__main__":
    sys.exit(cli.main())
