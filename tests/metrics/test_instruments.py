"""The metrics: names, label sets from the first scrape on, values after steps, and the two ways to print them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Info, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from daemon.ports import Upkeep
from metrics import Exposition, Instruments, MetricsObserver, new_registry
from metrics.instruments import UPKEEP
from metrics.site_families import ENDINGS, FAMILIES, MOVES
from metrics.text import number
from states import TABLE, BindStep, Fault, HeldBinding, Lifecycle, State, first_snapshot
from states.events import (
    BindFailed,
    BindingLost,
    BindRequested,
    BindSucceeded,
    ConfigAccepted,
    Event,
    Impact,
    Restarted,
)
from states.state import Terms

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ACCEPT = {"plain": "", "open metrics": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"}

PROMISED = {
    "sitebind_site_state", "sitebind_site_info", "sitebind_build_info", "sitebind_binding_held",
    "sitebind_transitions_total", "sitebind_ignored_events_total", "sitebind_bind_attempts_total",
    "sitebind_bind_duration_seconds", "sitebind_bind_step_duration_seconds",
    "sitebind_last_bind_success_timestamp_seconds", "sitebind_binding_verified_timestamp_seconds",
    "sitebind_credential_expiry_timestamp_seconds", "sitebind_credential_renewable",
    "sitebind_verification_interval_seconds", "sitebind_retry_at_timestamp_seconds",
    "sitebind_config_last_reload_successful", "sitebind_config_last_reload_success_timestamp_seconds",
    "sitebind_upstream_requests_total", "sitebind_upstream_request_duration_seconds",
    "sitebind_http_requests_total", "sitebind_audit_records_total", "sitebind_audit_write_failures_total",
    "sitebind_audit_chain_intact", "sitebind_event_stream_clients", "sitebind_event_stream_dropped_total",
    "sitebind_audit_checkpoint_timestamp_seconds", "sitebind_audit_upkeep_failures_total",
    "sitebind_tasks",
    "sitebind_audit_forward_position", "sitebind_audit_forward_waiting", "sitebind_audit_forward_failures_total",
}  # fmt: skip


class Scene:
    """A registry, its instruments, and an observer that is told what the real lifecycle does."""

    def __init__(self, *sites: str) -> None:
        self.registry = new_registry()
        self.instruments = Instruments(self.registry, version="1.2.3", endpoints=("login",))
        self.observer = MetricsObserver(self.instruments)
        self.exposition = Exposition(self.registry, self.instruments)
        self._lifecycle = Lifecycle()
        self.snapshots = {site: first_snapshot(site, site_code="c0de", at=NOON) for site in sites}
        for site in sites:
            self.instruments.add_site(site)

    def apply(self, site: str, event: Event) -> None:
        at = NOON
        step = self._lifecycle.apply(self.snapshots[site], event, at=at, chance=0.5)
        self.snapshots[site] = step.after
        self.observer.saw(step, at=at)

    def configure(self, site: str) -> None:
        terms = Terms(fingerprint="f", credentials="c", automatic=False)
        self.apply(site, ConfigAccepted(terms=terms, impact=Impact.REBIND, reason="first"))

    def bind(self, site: str, *, expires: datetime | None = None) -> None:
        self.apply(site, BindRequested(actor="http:127.0.0.1", reason="asked"))
        attempt = self.snapshots[site].attempt
        binding = HeldBinding(
            bind_id=f"{site}-{attempt}",
            method="cloud",
            account_code='C"1',
            company="Müller",
            region="eu",
            fingerprint="f",
            bound_at=NOON,
            verified_at=NOON + timedelta(seconds=1),
            expires_at=expires,
        )
        self.apply(site, BindSucceeded(attempt=attempt, binding=binding))
        self.observer.bind_ended(site, bind_id=f"{site}-{attempt}", result="succeeded", fault=None, seconds=0.7)

    def fail(self, site: str, fault: Fault) -> None:
        self.apply(site, BindRequested(actor="http:127.0.0.1", reason="asked"))
        attempt = self.snapshots[site].attempt
        self.apply(site, BindFailed(attempt=attempt, fault=fault, detail="so"))
        self.observer.bind_ended(site, bind_id=f"{site}-{attempt}", result="failed", fault=fault, seconds=3)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def text(self, accept: str = "") -> str:
        return b"".join(self.exposition.answer(accept)[1]).decode()


def without_process(text: str) -> str:
    """The lines that do not read the system anew with every look."""
    return "".join(line for line in text.splitlines(keepends=True) if "process_" not in line)


def test_every_promised_name_is_there_from_the_first_scrape_on() -> None:
    """And nothing else but what every process shows."""
    families = list(plain(Scene("default").text()))
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if not family.name.startswith("process_")
    }
    assert names == PROMISED
    assert all(family.documentation.endswith((".", "Python.")) for family in families if "sitebind" in family.name)


def test_known_label_sets_are_there_at_zero() -> None:
    """So that `increase()` sees the first time."""
    scene = Scene("default")
    for event, before, after in MOVES:
        labels = {"event": event, "before": before, "after": after}
        assert scene.value("sitebind_transitions_total", site="default", **labels) == 0
    for result, fault in ENDINGS:
        assert scene.value("sitebind_bind_attempts_total", site="default", result=result, fault=fault) == 0
    assert scene.value("sitebind_ignored_events_total", event="retry_due") == 0
    assert scene.value("sitebind_bind_step_duration_seconds_count", step="authorize") == 0
    assert scene.value("sitebind_upstream_requests_total", endpoint="login", code="200") == 0
    assert scene.value("sitebind_audit_records_total") == 0
    assert scene.value("sitebind_audit_write_failures_total") == 0
    assert scene.value("sitebind_binding_held", site="default") == 0
    assert scene.value("sitebind_site_state", site="default", sitebind_site_state="unconfigured") == 1


def test_the_label_sets_shown_at_zero_come_from_the_table_and_the_faults() -> None:
    """Nothing that cannot happen, and every way to another state."""
    assert set(MOVES) == {(r.trigger, r.source.value, r.target.value) for r in TABLE if r.source is not r.target}
    assert len(MOVES) == len(set(MOVES)) == 21
    failed = {fault for result, fault in ENDINGS if result == "failed"}
    assert failed == {fault.code for fault in Fault if not fault.heals_by_itself}


def test_a_site_costs_few_series() -> None:
    """A thousand sites must not burden a Prometheus with series that never move."""
    scene = Scene("one")
    alone = scene.text().count("\n")
    scene.instruments.add_site("two")
    assert scene.text().count("\n") - alone == 5 + 1 + 1 + len(MOVES) + len(ENDINGS) + 6 == 87


def test_a_bind_is_seen_in_all_its_metrics() -> None:
    """State, held binding, times, counts."""
    scene = Scene("default")
    scene.configure("default")
    scene.bind("default", expires=NOON + timedelta(days=90))
    assert scene.value("sitebind_site_state", site="default", sitebind_site_state="bound") == 1
    assert scene.value("sitebind_site_state", site="default", sitebind_site_state="binding") == 0
    assert scene.value("sitebind_binding_held", site="default") == 1
    assert scene.value("sitebind_last_bind_success_timestamp_seconds", site="default") == NOON.timestamp()
    verified = scene.value("sitebind_binding_verified_timestamp_seconds", site="default")
    assert verified == NOON.timestamp() + 1
    expiry = scene.value("sitebind_credential_expiry_timestamp_seconds", site="default")
    assert expiry == (NOON + timedelta(days=90)).timestamp()
    moved = {"event": "bind_succeeded", "before": "binding", "after": "bound"}
    assert scene.value("sitebind_transitions_total", site="default", **moved) == 1
    ended = {"result": "succeeded", "fault": ""}
    assert scene.value("sitebind_bind_attempts_total", site="default", **ended) == 1
    assert scene.value("sitebind_bind_duration_seconds_sum") == 0.7
    assert scene.value("sitebind_bind_duration_seconds_bucket", le="120.0") == 1
    named = {"site_code": "c0de", "account_code": 'C"1', "region": "eu", "method": "cloud"}
    assert scene.value("sitebind_site_info", site="default", **named) == 1


def test_a_failure_shows_its_fault_and_the_retry() -> None:
    """A fault that was not shown beforehand comes with its first time; the retry ends with the next attempt."""
    scene = Scene("default")
    scene.configure("default")
    scene.fail("default", Fault.TIMED_OUT)
    assert scene.value("sitebind_site_state", site="default", sitebind_site_state="failed") == 1
    assert scene.value("sitebind_retry_at_timestamp_seconds", site="default") == NOON.timestamp() + 1
    ended = {"result": "failed", "fault": "timed-out"}
    assert scene.value("sitebind_bind_attempts_total", site="default", **ended) == 1
    scene.apply("default", BindRequested(actor="http:127.0.0.1", reason="asked"))
    assert scene.value("sitebind_retry_at_timestamp_seconds", site="default") == 0


def test_a_lost_binding_takes_its_times_with_it() -> None:
    """But the last success stays in memory."""
    scene = Scene("default")
    scene.configure("default")
    scene.bind("default")
    assert scene.value("sitebind_credential_expiry_timestamp_seconds", site="default") == 0
    scene.apply("default", BindingLost(bind_id="default-1", fault=Fault.KEYS_REFUSED, detail="so"))
    assert scene.value("sitebind_binding_held", site="default") == 0
    assert scene.value("sitebind_binding_verified_timestamp_seconds", site="default") == 0
    assert scene.value("sitebind_last_bind_success_timestamp_seconds", site="default") == NOON.timestamp()


def test_a_restored_site_shows_what_it_holds() -> None:
    """The first step after a start says it all; nobody has to announce the site."""
    old, new = Scene("default"), Scene()
    old.configure("default")
    old.bind("default")
    new.snapshots = old.snapshots
    new.apply("default", Restarted())
    assert new.value("sitebind_site_state", site="default", sitebind_site_state="bound") == 1
    assert new.value("sitebind_last_bind_success_timestamp_seconds", site="default") == NOON.timestamp()
    in_place = {"event": "restarted", "before": "bound", "after": "bound"}
    assert new.value("sitebind_transitions_total", site="default", **in_place) == 1


def test_ignored_and_refused_events_move_nothing() -> None:
    """The first is counted, the second is not: its caller was told."""
    scene = Scene("default")
    scene.apply("default", BindFailed(attempt=9, fault=Fault.TIMED_OUT, detail="late"))
    scene.apply("default", BindRequested(actor="http:127.0.0.1", reason="too early"))
    assert scene.value("sitebind_ignored_events_total", event="bind_failed") == 1
    assert scene.value("sitebind_ignored_events_total", event="bind_requested") == 0
    assert scene.value("sitebind_site_state", site="default", sitebind_site_state="unconfigured") == 1


def test_a_removed_site_leaves_nothing() -> None:
    """Its series end, and come back at 0 with it."""
    scene = Scene("default", "other")
    scene.configure("default")
    scene.instruments.remove_site("default")
    scene.instruments.remove_site("never-there")
    assert 'site="default"' not in scene.text()
    assert 'site="other"' in scene.text()
    scene.instruments.add_site("default")
    assert scene.value("sitebind_site_state", site="default", sitebind_site_state="unconfigured") == 1


@dataclass
class Walked:
    intact: bool


def test_the_records_and_the_configuration_are_told() -> None:
    """Counts, and the time of the last reading without an error."""
    scene = Scene()
    assert math.isnan(scene.value("sitebind_audit_chain_intact") or 0)
    scene.observer.recorded(3)
    scene.observer.journal_failed()
    scene.observer.chain_verified(Walked(intact=True))
    scene.observer.reloaded(successful=True, at=NOON)
    scene.observer.reloaded(successful=False, at=NOON + timedelta(hours=1))
    assert scene.value("sitebind_audit_records_total") == 3
    assert scene.value("sitebind_audit_write_failures_total") == 1
    assert scene.value("sitebind_audit_chain_intact") == 1
    assert scene.value("sitebind_config_last_reload_successful") == 0
    assert scene.value("sitebind_config_last_reload_success_timestamp_seconds") == NOON.timestamp()
    scene.observer.chain_verified(Walked(intact=False))
    assert scene.value("sitebind_audit_chain_intact") == 0


def test_the_last_checkpoint_is_told_while_there_is_a_place_for_it() -> None:
    """NaN trips no alert where nobody wants any."""
    scene, name = Scene(), "sitebind_audit_checkpoint_timestamp_seconds"
    assert math.isnan(scene.value(name) or 0)
    scene.observer.checkpointed(NOON)
    assert scene.value(name) == NOON.timestamp()
    scene.observer.checkpointed(None)
    assert math.isnan(scene.value(name) or 0)


def test_what_fails_of_the_trails_upkeep_is_counted_from_nothing_on() -> None:
    scene, name = Scene(), "sitebind_audit_upkeep_failures_total"
    assert get_args(Upkeep) == UPKEEP
    assert [scene.value(name, task=task) for task in UPKEEP] == [0, 0]
    scene.observer.upkeep_failed("pruning")
    scene.observer.upkeep_failed("a made up one")
    assert [scene.value(name, task=task) for task in (*UPKEEP, "other")] == [0, 1, 1]


def test_the_receiver_of_audit_records_is_told() -> None:
    """Where there is none, neither number would be true; and none is again, when it is taken away."""
    scene = Scene()
    assert math.isnan(scene.value("sitebind_audit_forward_position") or 0)
    assert math.isnan(scene.value("sitebind_audit_forward_waiting") or 0)
    scene.observer.forwarded(position=7, waiting=3)
    scene.observer.forwarded(position=7, waiting=4, failures=1)
    assert scene.value("sitebind_audit_forward_position") == 7
    assert scene.value("sitebind_audit_forward_waiting") == 4
    assert scene.value("sitebind_audit_forward_failures_total") == 1
    scene.observer.forwarded(position=None, waiting=0)
    assert math.isnan(scene.value("sitebind_audit_forward_waiting") or 0)


def test_the_tasks_are_counted_anew_for_each_scrape_by_who_keeps_them() -> None:
    """Their sum is the number of all: none is counted twice."""
    scene, kept = Scene(), {"effects": 2, "records": 1, "all": 9}
    owners = ("effects", "records", "other")
    assert [scene.value("sitebind_tasks", owner=owner) for owner in owners] == [0, 0, 0]
    scene.instruments.tasks.watch(
        effects=lambda: kept["effects"], records=lambda: kept["records"], everything=lambda: kept["all"]
    )
    assert [scene.value("sitebind_tasks", owner=owner) for owner in owners] == [2, 1, 6]
    kept["effects"] = 0
    assert [scene.value("sitebind_tasks", owner=owner) for owner in owners] == [0, 1, 8]


def test_no_label_can_be_made_up_by_anybody() -> None:
    """What is in no closed set becomes `other`."""
    scene = Scene()
    scene.observer.upstream("login", code="503", seconds=0.1)
    scene.observer.upstream("login", code="timed-out", seconds=0.1)
    scene.observer.upstream("login", code="<html>", seconds=0.1)
    scene.observer.http_request(method="BREW", route="unmatched", status=405, seconds=0.1)
    scene.observer.bind_step("default", BindStep(step="levitate", status="passed", seconds=1, detail=""))
    scene.observer.bind_step("default", BindStep(step="connect", status="skipped", seconds=0, detail=""))
    for code in ("503", "timed-out", "other"):
        assert scene.value("sitebind_upstream_requests_total", endpoint="login", code=code) == 1
    assert scene.value("sitebind_upstream_request_duration_seconds_count", endpoint="login") == 3
    assert scene.value("sitebind_http_requests_total", method="other", route="unmatched", code="405") == 1
    assert scene.value("sitebind_bind_step_duration_seconds_count", step="other") == 1
    assert scene.value("sitebind_bind_step_duration_seconds_count", step="connect") == 0


def test_the_bind_histogram_names_the_attempt_and_only_in_open_metrics() -> None:
    """One exemplar a bucket, the newest; it makes no series and costs the plain format nothing."""
    scene = Scene("default")
    scene.configure("default")
    for _ in range(2):
        scene.bind("default")
    scene.fail("default", Fault.CREDENTIALS_REFUSED)
    families = {family.name: family for family in open_metrics(scene.text(ACCEPT["open metrics"]))}
    shown = {
        sample.labels["le"]: (sample.exemplar.labels, sample.exemplar.value)
        for sample in families["sitebind_bind_duration_seconds"].samples
        if sample.exemplar
    }
    assert shown == {"1.0": ({"bind_id": "default-2"}, 0.7), "5.0": ({"bind_id": "default-3"}, 3)}
    assert "bind_id" not in scene.text()
    told = [line.partition(" # ")[0] for line in scene.text(ACCEPT["open metrics"]).splitlines() if "_bucket" in line]
    assert told == [line for line in scene.text().splitlines() if "_bucket" in line]


def test_the_longest_name_of_a_site_still_fits_into_an_exemplar() -> None:
    """The format takes 128 characters; a site's id has 63 at most."""
    site = "s" * 63
    scene = Scene(site)
    scene.observer.bind_ended(site, bind_id=f"{site}-{10**20}", result="succeeded", fault=None, seconds=1)
    assert f'# {{bind_id="{site}-{10**20}"}} 1.0 ' in scene.text(ACCEPT["open metrics"])


def test_a_bind_that_came_to_no_end_counts_and_has_no_duration() -> None:
    """A cancelled attempt took no time that says anything: as 0 s it would make binds look quick."""
    scene = Scene("default")
    scene.observer.bind_ended("default", bind_id="default-1", result="cancelled", fault=None, seconds=None)
    assert scene.value("sitebind_bind_duration_seconds_count") == 0
    assert scene.value("sitebind_bind_attempts_total", site="default", result="cancelled", fault="") == 1


def test_whether_the_keys_renew_themselves_and_how_often_they_are_checked_is_told() -> None:
    """The alerts need both: an expiry that somebody must act on, and a check that is overdue."""
    scene = Scene("default")
    assert scene.value("sitebind_credential_renewable", site="default") == 0
    assert scene.value("sitebind_verification_interval_seconds", site="default") == 0
    scene.configure("default")
    assert scene.value("sitebind_credential_renewable", site="default") == 1
    assert scene.value("sitebind_verification_interval_seconds", site="default") == 900
    terms = Terms(fingerprint="f", credentials=None, automatic=False, verify_every=60)
    scene.apply("default", ConfigAccepted(terms=terms, impact=Impact.APPLY, reason="no password any more"))
    assert scene.value("sitebind_credential_renewable", site="default") == 0
    assert scene.value("sitebind_verification_interval_seconds", site="default") == 60


def test_no_created_series() -> None:
    """They would double the counters' lines."""
    scene = Scene("default")
    scene.fail("default", Fault.TIMED_OUT)
    assert "_created" not in scene.text() + scene.text(ACCEPT["open metrics"])


def test_the_site_families_are_those_of_the_client_library() -> None:
    """Its own Enum, Info, Gauge and Counter with the same values print the same lines."""
    scene = Scene("default")
    scene.configure("default")
    scene.fail("default", Fault.CREDENTIALS_REFUSED)
    stock = CollectorRegistry()
    state = Enum("sitebind_site_state", "x", ["site"], states=[s.value for s in State], registry=stock)
    state.labels("default").state("failed")
    identity = Info("sitebind_site", "x", ["site"], registry=stock)
    identity.labels("default").info({"site_code": "c0de", "account_code": "", "region": "", "method": ""})
    Gauge("sitebind_binding_held", "x", ["site"], registry=stock).labels("default").set(0)
    moves = Counter("sitebind_transitions", "x", ["site", "event", "before", "after"], registry=stock)
    for event, before, after in MOVES:
        moves.labels("default", event, before, after)
    for move in (
        ("config_accepted", "unconfigured", "configured"),
        ("bind_requested", "configured", "binding"),
        ("bind_failed", "binding", "failed"),
    ):
        moves.labels("default", *move).inc()
    for accept in ACCEPT.values():
        ours = scene.text(accept).splitlines()
        for line in choose_encoder(accept)[0](stock).decode().splitlines():
            assert line in ours or line.startswith("# HELP")


@st.composite
def stories(draw: st.DrawFn) -> Scene:
    """Sites with whatever happened to them."""
    scene = Scene(*[f"site-{number}" for number in range(draw(st.integers(0, 4)))])
    for site in scene.snapshots:
        for act in draw(st.lists(st.sampled_from(["configure", "bind", *Fault]), max_size=6)):
            if act == "configure":
                scene.configure(site)
            elif scene.snapshots[site].state is State.UNCONFIGURED:
                continue
            elif act == "bind":
                scene.bind(site)
            else:
                scene.fail(site, act)
    scene.observer.recorded(draw(st.integers(0, 10**9)))
    scene.observer.upstream("login", code="200", seconds=draw(st.floats(0, 200)))
    return scene


@given(stories(), st.sampled_from(sorted(ACCEPT)))
def test_our_text_is_the_client_librarys_to_the_byte(scene: Scene, format_: str) -> None:
    """Whatever happened, in both formats; asked twice, since unchanged families are kept."""
    encoder, content_type = choose_encoder(ACCEPT[format_])
    for _ in range(2):
        assert scene.exposition.answer(ACCEPT[format_])[0] == content_type
        assert without_process(scene.text(ACCEPT[format_])) == without_process(encoder(scene.registry).decode())


@given(st.integers(0, 10**12) | st.floats(allow_nan=False))
def test_numbers_are_written_as_go_writes_them(value: float) -> None:
    """Checked against a gauge of the client library."""
    registry = CollectorRegistry()
    Gauge("g", "g", registry=registry).set(value)
    assert generate_latest(registry).decode().splitlines()[-1] == f"g {number(value)}"


def test_both_formats_can_be_parsed() -> None:
    """And open metrics gives the state its type."""
    scene = Scene("default")
    families = {family.name: family for family in open_metrics(scene.text(ACCEPT["open metrics"]))}
    assert families["sitebind_site_state"].type == "stateset"
    assert families["sitebind_bind_duration_seconds"].unit == "seconds"
    assert len(list(plain(scene.text()))) >= len(PROMISED)


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=1.0.0;escaping=dots", "text/plain;version=1.0.0;escaping=values"]
)
def test_other_escapings_are_left_to_the_client_library(accept: str) -> None:
    """They change names, which nothing of ours prepares for."""
    scene = Scene("default")
    encoder, content_type = choose_encoder(accept)
    assert scene.exposition.answer(accept)[0] == content_type
    assert without_process(scene.text(accept)) == without_process(encoder(scene.registry).decode())


def test_ten_thousand_sites_are_printed_in_small_pieces() -> None:
    """Each piece is bounded whatever the number of sites, so that the loop can turn between them."""
    scene = Scene(*[f"site-{number}" for number in range(10_000)])
    sizes = [len(piece) for piece in scene.exposition.answer("")[1]]
    assert max(sizes) < 512 * 1024
    assert len(scene.instruments.sites) == 10_000


def test_the_families_are_named_once() -> None:
    """The registry accepts them, and refuses a second set."""
    scene = Scene()
    with pytest.raises(ValueError, match="Duplicated"):
        Instruments(scene.registry)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
