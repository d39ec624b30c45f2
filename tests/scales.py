"""Settings at every scale, for tests of what studies name somewhere."""

from functools import cache
from pathlib import Path

from pipeline import settings
from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


@cache
def every_scale() -> list[Settings]:
    """The demo, and each file of scales/ laid over it."""
    overlays = [(), *((path,) for path in sorted((ROOT / "scales").glob("*.yaml")))]
    return [settings.load(ROOT / "params.yaml", *overlay) for overlay in overlays]
