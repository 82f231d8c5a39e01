"""What Prometheus sees of sitebind: instruments, the observer that feeds them, and their text formats.

Composed by `daemon.app`. Knows `states` and `prometheus_client`, and nothing else of ours.
"""

from metrics.exposition import Exposition
from metrics.instruments import Instruments, new_registry
from metrics.observer import MetricsObserver

__all__ = ["Exposition", "Instruments", "MetricsObserver", "new_registry"]
