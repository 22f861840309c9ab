"""Figures about the service itself, in the text form of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ecgfoundry._version import __version__

__all__ = ["Telemetry"]


class Telemetry:
    """Counters of one service; no figure holds anything about a recording."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "ecgfoundry"
        self.requests = Counter(
            f"{name}_requests", "Requests", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            f"{name}_request_seconds",
            "Time of a request",
            ["route"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.verdicts = Counter(
            f"{name}_verdicts", "Verdicts on recordings", ["verdict"], registry=self.registry
        )
        self.restarts = Counter(
            f"{name}_worker_restarts", "Replaced workers", ["reason"], registry=self.registry
        )
        self.waiting = Gauge(f"{name}_queue", "Requests that wait", registry=self.registry)
        self.streams = Gauge(f"{name}_streams", "Live streams", registry=self.registry)
        self.windows = Counter(
            f"{name}_stream_windows", "Answered windows of live streams", registry=self.registry
        )
        self.jobs = Gauge(f"{name}_jobs", "Jobs of all replicas", ["state"], registry=self.registry)
        self.oldest = Gauge(
            f"{name}_oldest_waiting_job_seconds",
            "Age of the job that waits for longest",
            registry=self.registry,
        )
        self.deliveries = Gauge(
            f"{name}_deliveries", "What goes to other systems", ["state"], registry=self.registry
        )
        self.kept = Gauge(f"{name}_kept_bytes", "Kept recordings", registry=self.registry)
        self.disk = Gauge(
            f"{name}_disk_free_bytes", "Room that is left", ["place"], registry=self.registry
        )
        self.memory = Gauge(
            f"{name}_memory_bytes", "Resident memory", ["process"], registry=self.registry
        )
        self.database = Gauge(
            f"{name}_database_up", "Whether the database answers", registry=self.registry
        )
        self.drift_people = Gauge(
            f"{name}_drift_people", "People compared", ["model", "source"], registry=self.registry
        )
        self.drift = Gauge(
            f"{name}_drift_distance",
            "Energy distance of the last people's embeddings from the model's reference",
            ["model", "source"],
            registry=self.registry,
        )
        self.drift_limit = Gauge(
            f"{name}_drift_limit",
            "What people of the reference stay under in 99 of 100 draws",
            ["model", "source"],
            registry=self.registry,
        )
        self.drift_verdicts = Gauge(
            f"{name}_drift_verdicts",
            "Share of people whose recording the gate refused or flagged",
            ["model", "source", "verdict", "of"],
            registry=self.registry,
        )
        self.drift_verdicts_p = Gauge(
            f"{name}_drift_verdicts_p",
            "That people of the reference differ so much by chance in what is not good",
            ["model", "source"],
            registry=self.registry,
        )
        self.drift_prevalence = Gauge(
            f"{name}_drift_prevalence",
            "Share of people with a target: of the reference, and estimated now with its limits",
            ["model", "source", "target", "figure"],
            registry=self.registry,
        )
        info = Gauge(f"{name}_info", "Version", ["version"], registry=self.registry)
        info.labels(__version__).set(1)

    def text(self) -> bytes:
        """Return everything, ready to be scraped."""
        return generate_latest(self.registry)
