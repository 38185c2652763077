import importlib.metadata
from typing import Final

VERSION: Final = importlib.metadata.version("paceline")
__version__: Final = VERSION
