"""One site's values, as `metrics.observer` reports them and `metrics.site_families` prints them."""

from __future__ import annotations

from states import HeldBinding, Snapshot, State

Move = tuple[str, str, str]
"""event, before, after"""
Ending = tuple[str, str]
"""result, fault's code (empty when there is none)"""


class SiteValues:
    """What is shown of one site. Timestamps are Unix seconds; 0 stands for never and for none."""

    __slots__ = (
        "attempts",
        "credential_expiry",
        "held",
        "identity",
        "last_bind_success",
        "moves",
        "renewable",
        "retry_at",
        "site",
        "state",
        "verified",
        "verify_every",
    )

    def __init__(self, site: str) -> None:
        self.site = site
        self.state = State.UNCONFIGURED
        self.identity: tuple[str, str, str, str] = ("", "", "", "")
        self.held = 0
        self.last_bind_success = 0.0
        self.verified = 0.0
        self.credential_expiry = 0.0
        self.retry_at = 0.0
        self.renewable = 0
        self.verify_every = 0
        # Sparse: what is missing is 0. Most of the label sets of most sites stay so.
        self.moves: dict[Move, int] = {}
        self.attempts: dict[Ending, int] = {}

    def show(self, now: Snapshot) -> None:
        """Take over what the snapshot says."""
        self.state = now.state
        self.retry_at = now.retry.due_at.timestamp() if now.retry else 0.0
        self.held = 1 if now.binding else 0
        self.renewable = 1 if now.has_usable_credentials else 0
        self.verify_every = now.terms.verify_every if now.terms else 0
        if now.binding is None:
            self.identity = (now.site_code, "", "", "")
            self.verified = self.credential_expiry = 0.0
        else:
            self._show_binding(now.site_code, now.binding)

    def moved(self, move: Move) -> None:
        """Count an applied event."""
        self.moves[move] = self.moves.get(move, 0) + 1

    def bind_ended(self, ending: Ending) -> None:
        """Count the end of an attempt."""
        self.attempts[ending] = self.attempts.get(ending, 0) + 1

    def _show_binding(self, site_code: str, binding: HeldBinding) -> None:
        self.identity = (site_code, binding.account_code, binding.region, binding.method)
        self.verified = binding.verified_at.timestamp()
        self.credential_expiry = binding.expires_at.timestamp() if binding.expires_at else 0.0
        self.last_bind_success = binding.bound_at.timestamp()
