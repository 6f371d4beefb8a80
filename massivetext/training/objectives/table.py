"""The objectives that a recipe may name."""

from torch import nn

from massivetext.training.objectives.causal import CausalObjective
from massivetext.training.objectives.protocol import Objective
from massivetext.training.settings import TrainSettings

OBJECTIVES = {"causal": CausalObjective}


def make_objective(model: nn.Module, settings: TrainSettings) -> Objective:
    """Return the objective that the settings name; raise ModelError where the model does not offer what it needs."""
    return OBJECTIVES[settings.objective](model, settings)
