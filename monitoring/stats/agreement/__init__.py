"""Agreement: of two versions on the same requests, of online with offline features, of reviewers with each other."""

from monitoring.stats.agreement.pairs import (
    Disagreement,
    disagreement,
    discordant_accuracy,
    mcnemar,
    pair_up,
    pair_up_by,
    ranking_disagreement,
    score_bins,
    score_gap,
    value_at_stake,
)
from monitoring.stats.agreement.replaying import Pattern, Replay, replay
from monitoring.stats.agreement.reviewers import (
    alpha,
    cohen,
    fleiss,
    negative_agreement,
    positive_agreement,
    raw_agreement,
    specific_agreement,
)

__all__ = [
    "Disagreement",
    "Pattern",
    "Replay",
    "alpha",
    "cohen",
    "disagreement",
    "discordant_accuracy",
    "fleiss",
    "mcnemar",
    "negative_agreement",
    "pair_up",
    "pair_up_by",
    "positive_agreement",
    "ranking_disagreement",
    "raw_agreement",
    "replay",
    "score_bins",
    "score_gap",
    "specific_agreement",
    "value_at_stake",
]
