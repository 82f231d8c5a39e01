"""The installation of the acceptance tests, run by other service managers than a shell."""

from tests.acceptance.conftest import installation, simulated

__all__ = ["installation", "simulated"]
