"""Write and check an ONNX file: ``python scripts/export.py bundle=DIR out=DIR``."""

import sys

from robo_ts.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
