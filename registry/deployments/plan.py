"""A plan: what an endpoint is to serve. A value; it becomes a revision only when it is activated."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mlops_portal.kit.wording import percent
from registry.models import Deployment, DeploymentArm, Endpoint, ModelVersion
from registry.models.deployment_arm import WHOLE_BPS

TTL_S = 900  # clients that hear nothing for so long use the fallback
NO_RULE: Mapping[str, Any] = {"kind": "none"}
NO_FALLBACK: Mapping[str, Any] = {"kind": "none"}
_Role = DeploymentArm.Role
TRAFFIC_ROLES = frozenset({_Role.PRIMARY, _Role.CANARY, _Role.VARIANT})


@dataclass(frozen=True, slots=True)
class Arm:
    """One way a request can go: a version under a label, with its share of the traffic in basis points."""

    label: str
    role: str
    version: int
    weight_bps: int = 0
    mirror_bps: int = 0

    @property
    def takes_traffic(self) -> bool:
        """Whether callers get its answers in normal operation."""
        return self.role in TRAFFIC_ROLES

    @property
    def share(self) -> str:
        """The part of the traffic it takes, or as a shadow is shown."""
        if self.mirror_bps:
            return f"sees {percent(self.mirror_bps / WHOLE_BPS)}"
        return percent(self.weight_bps / WHOLE_BPS) if self.takes_traffic else "in need"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an endpoint is to serve; without arms it is off. Versions are the numbers of the endpoint's own model."""

    arms: tuple[Arm, ...] = ()
    decision_rule: Mapping[str, Any] = field(default_factory=lambda: NO_RULE)
    fallback: Mapping[str, Any] = field(default_factory=lambda: NO_FALLBACK)
    reason: str = ""
    copied_from: int | None = None

    @classmethod
    def single(cls, version: int, **others: Any) -> "Plan":
        """All traffic to one version."""
        return cls(arms=(Arm("main", _Role.PRIMARY, version, WHOLE_BPS),), **others)

    @classmethod
    def of(cls, deployment: Deployment) -> "Plan":
        """The plan that would make such a revision, read from what it serves; no query."""
        served = json.loads(deployment.document)
        arms = (
            Arm(arm["label"], arm["role"], int(arm["version"]), arm["weight_bps"], arm["mirror_bps"])
            for arm in served["arms"]
        )
        return cls(arms=tuple(arms), decision_rule=served["decision_rule"], fallback=served["fallback"])

    @property
    def primary(self) -> Arm | None:
        """The primary arm; None of an A/B test and of what is off."""
        return next((arm for arm in self.arms if arm.role == _Role.PRIMARY), None)

    @property
    def strategy(self) -> str:
        """The word for how the traffic is split."""
        roles = {arm.role for arm in self.arms}
        if not roles:
            return Deployment.Strategy.OFF
        if _Role.VARIANT in roles:
            return Deployment.Strategy.AB
        return Deployment.Strategy.CANARY if _Role.CANARY in roles else Deployment.Strategy.SINGLE

    @property
    def has_shadow(self) -> bool:
        """Whether an arm sees traffic without answering it."""
        return any(arm.role == _Role.SHADOW for arm in self.arms)

    def with_primary(self, number: int) -> "Plan":
        """The same with another primary; a canary of that version has done its work, and its share goes with it."""
        arms = tuple(arm for arm in self.arms if arm.role != _Role.CANARY or arm.version != number)
        freed = sum(arm.weight_bps for arm in self.arms) - sum(arm.weight_bps for arm in arms)
        promoted = (
            replace(arm, version=number, weight_bps=arm.weight_bps + freed) if arm.role == _Role.PRIMARY else arm
            for arm in arms
        )
        return replace(self, arms=tuple(promoted), copied_from=None)

    def off(self) -> "Plan":
        """The same without arms; a fallback that is no arm stays, for clients that still hold traffic."""
        keeps = self.fallback.get("kind") == "action"
        return replace(self, arms=(), decision_rule=NO_RULE, fallback=self.fallback if keeps else NO_FALLBACK)

    def content(self) -> dict[str, Any]:
        """What the plan says, as plain JSON; the reason is not part of it."""
        return {
            "arms": [asdict(arm) for arm in self.arms],
            "decision_rule": self.decision_rule,
            "fallback": self.fallback,
        }

    def content_sha(self) -> str:
        """SHA-256 of the canonical content: equal plans have equal ones."""
        return sha256(canonical(self.content()))


def document(endpoint: Endpoint, revision: int, plan: Plan, versions: Mapping[int, ModelVersion]) -> tuple[str, str]:
    """The canonical JSON text that serving gets, byte for byte, and the SHA-256 over all of it but itself."""
    body = {
        "endpoint": endpoint.slug,
        "revision": revision,
        "ttl_s": TTL_S,
        "arms": [_served(arm, versions[arm.version]) for arm in plan.arms],
        "routing": {"unit": endpoint.routing_unit, "salt": endpoint.routing_salt},
        "decision_rule": plan.decision_rule,
        "fallback": plan.fallback,
    }
    digest = sha256(canonical(body))
    return canonical(body | {"sha256": digest}), digest


def canonical(value: Any) -> str:
    """Sorted keys, no spaces, no NaN: equal values give equal texts.

    >>> canonical({"b": 1.5, "a": "é"})
    '{"a":"é","b":1.5}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(text: str) -> str:
    """SHA-256 of the text in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _served(arm: Arm, version: ModelVersion) -> dict[str, Any]:
    return {
        "label": arm.label,
        "role": arm.role,
        "version": str(version.number),
        "version_id": str(version.pk),
        "source": version.storage_uri or version.source,
        "weight_bps": arm.weight_bps,
        "mirror_bps": arm.mirror_bps,
    }
