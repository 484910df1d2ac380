"""FILE TEXT: writes a file."""

import sys
from pathlib import Path

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(sys.argv[2], encoding="utf-8")
