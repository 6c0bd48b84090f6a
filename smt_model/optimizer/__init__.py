"""Update rules."""

from smt_model.config import TrainConfig
from smt_model.optimizer.adagrad import Adagrad, AdagradDecay
from smt_model.optimizer.adam import Adam, AdamAsync
from smt_model.optimizer.base import Optimizer
from smt_model.optimizer.gradient_descent import GradientDescent
from smt_model.schedule import Schedule

__all__ = ["Optimizer", "make_optimizer"]


def make_optimizer(config: TrainConfig, total_steps: int) -> Optimizer:
    """Return the optimizer of a run of so many steps."""
    schedule = Schedule.of(config, total_steps)
    match config.optimizer:
        case "adagrad":
            return Adagrad(schedule, config.initial_accumulator)
        case "adagraddecay":
            return AdagradDecay(
                schedule,
                config.initial_accumulator,
                config.accumulator_decay_steps,
                config.accumulator_decay_rate,
            )
        case "adam":
            return Adam(schedule)
        case "adamasync":
            return AdamAsync(schedule)
        case "gradientdescent":
            return GradientDescent(schedule)
