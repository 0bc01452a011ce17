"""python -m regie.cli: as regie."""

import os

from regie.cli import main

if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
