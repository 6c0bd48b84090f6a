"""When a column counts as drifted: the limits of `smt inspect-stats --fail-on drift`."""

from pydantic import BaseModel, ConfigDict, NonNegativeFloat


class DriftThresholds(BaseModel):
    """Limits of the measures of ``docs/statistics.md``; a column beyond one has drifted.

    Attributes
    ----------
    null_rate
        Difference of the shares of missing cells.
    new_values
        Share of rows with a value that the reference lacks, beyond what chance explains.
    label_rate
        Logarithm of the ratio of a label's rates; 0.25 is a factor of 1.28.
    psi
        Population stability index of the most frequent values.
    jensen_shannon
        Jensen-Shannon divergence of the most frequent values, in bits.
    l_infinity
        Largest change of a frequent value's share.
    ignore
        Columns that never count as drifted, such as ids that are new by design.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    null_rate: NonNegativeFloat = 0.03
    new_values: NonNegativeFloat = 0.1
    label_rate: NonNegativeFloat = 0.25
    psi: NonNegativeFloat = 0.2
    jensen_shannon: NonNegativeFloat = 0.05
    l_infinity: NonNegativeFloat = 0.05
    ignore: list[str] = []
