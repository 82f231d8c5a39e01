"""The pure core of sitebind: the lifecycle of a site as data and functions, without any input or output."""

from states.backoff import delay_before
from states.diagram import mermaid
from states.effects import Effect
from states.events import DAEMON, EVENTS, Change, Event, Impact, detail_of
from states.faults import Fault, fault_named
from states.health import Problem, is_ready, problems
from states.lifecycle import Ignored, Lifecycle, Moved, Refusal, Refused, Step
from states.memory import recall, remember
from states.state import (
    BIND_STEPS,
    BindStep,
    HeldBinding,
    OpenBind,
    Retry,
    Snapshot,
    State,
    Terms,
    Trouble,
    first_snapshot,
)
from states.table import TABLE, Row

__all__ = [
    "BIND_STEPS",
    "DAEMON",
    "EVENTS",
    "TABLE",
    "BindStep",
    "Change",
    "Effect",
    "Event",
    "Fault",
    "HeldBinding",
    "Ignored",
    "Impact",
    "Lifecycle",
    "Moved",
    "OpenBind",
    "Problem",
    "Refusal",
    "Refused",
    "Retry",
    "Row",
    "Snapshot",
    "State",
    "Step",
    "Terms",
    "Trouble",
    "delay_before",
    "detail_of",
    "fault_named",
    "first_snapshot",
    "is_ready",
    "mermaid",
    "problems",
    "recall",
    "remember",
]
