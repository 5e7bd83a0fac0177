"""`python -m imageaudit`: the command, where it is not installed."""

import sys

from imageaudit.cli import main

sys.exit(main())
