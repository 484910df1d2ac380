"""The frame: the plain methods that every router is printed beside, fitted on the same training rows."""

from routerdc.evaluation.baselines.domain_expert import domain_expert
from routerdc.evaluation.baselines.kmeans_experts import CLUSTERS, kmeans_experts
from routerdc.evaluation.baselines.knn import NEAR_NEIGHBOURS, NEIGHBOURS, knn, knn_with_prior
from routerdc.evaluation.baselines.linear_probe import linear_probe
from routerdc.evaluation.baselines.training_rows import TrainingRows
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Scorer

DOMAIN_EXPERT = "domain expert, domain recognised"
KNN_PRIOR = f"kNN, k = {NEAR_NEIGHBOURS}, with prior"
KNN = f"kNN, k = {NEIGHBOURS}"
KMEANS = f"k-means experts, {CLUSTERS} clusters"
PROBE = "linear probe"
BEST_SINGLE = "best single LLM, chosen on train"


def baselines(rows: TrainingRows, embed: Embed) -> dict[str, Scorer]:
    """All methods that see nothing but the query, by name."""
    return {
        DOMAIN_EXPERT: domain_expert(rows, embed),
        KNN_PRIOR: knn_with_prior(rows, embed),
        KNN: knn(rows, embed),
        KMEANS: kmeans_experts(rows, embed),
        PROBE: linear_probe(rows, embed),
    }
