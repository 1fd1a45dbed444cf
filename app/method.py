"""The flow's constants, one dataclass a part; the defaults serve all shipped cases.

Each field says what it is and what settled it: a reference, or `study`, which stands for the runs of the ten
cases of the comparison in 2025 and 2026 (docs/method.md, benchmarks/RESULTS.md). A field that is marked
`Settable` is a key of a case's section `method`, which says of it what stands here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal


@dataclass(frozen=True, kw_only=True)
class Settable:
    """Marks a constant that a case may set: its range, and whether only inverse problems have use for it."""

    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    inverse: bool = False


Tries = Annotated[int, Settable(least=1, most=1000)]
Share = Annotated[float, Settable(above=0, below=1)]
InverseCount = Annotated[int, Settable(least=1, inverse=True)]
InverseShare = Annotated[float, Settable(least=0, below=1, inverse=True)]
InversePositive = Annotated[float, Settable(above=0, inverse=True)]


@dataclass(frozen=True, kw_only=True)
class Trials:
    """When a trial step is accepted, and when an iteration gives up."""

    accept: float = 1e-4
    """A trial is accepted if the energy falls by more than this share of the predicted decrease (Armijo)."""
    max_rejections: Tries = 8
    """Rejected trials in one iteration at which the run gives up (study)."""
    max_rejections_plain: Tries = 40
    """Rejected trials in one iteration at which a run with the step plain gives up, whose only answer is to
    halve its length (study)."""
    crowded: float = 0.5
    """A capture below this at full width is told to the user."""


@dataclass(frozen=True, kw_only=True)
class Krylov:
    """The Gauss–Newton model from few right-hand sides (Lanczos with full re-orthogonalisation)."""

    rank_cut: float = 1e-10
    """Directions with a singular value in Y below this share of the largest are dropped: rounding."""
    enough: InverseShare = 0.05
    """A further vector that adds less than this share of the decrease so far ends a basis for a given
    weight (study)."""
    max_vectors: InverseCount = 120
    """Vectors of a Krylov model at most: four blocks of them are held (study)."""
    negligible: float = 1e-12
    """A gradient shorter than this share of the misfit's is rounding."""
    independent: float = 1e-10
    """A vector of which less than this share is outside of the basis lies in it."""
    held: float = 0.5
    """The regularised equations hold well enough when their residual is below this share of w‖m − m_ref‖
    (study)."""


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """What misfit the linearised problem aims at, as shares of the target (study)."""

    hanke: float = 0.25
    """Never less than this share of the misfit at once (Hanke 1997)."""
    aim: float = 0.94
    """Share of the target."""
    close_aim: float = 0.85
    """Share for a network whose misfit is within `close` targets, since a capture below 1 approaches the
    target from above."""
    close: float = 1.2
    """In targets."""
    settled: float = 0.9
    """A network whose misfit was above this share of it an iteration ago follows no further; what is aimed
    at is then lowered in proportion as the misfit is above `aim`."""


@dataclass(frozen=True, kw_only=True)
class Caution:
    """How the safe complement of a Krylov model answers success and failure (study)."""

    poor: float = 0.2
    """A ratio of true to predicted decrease below this makes the complement more cautious …"""
    raised: float = 4.0
    """… by this factor,"""
    good: float = 0.5
    """and one above this less cautious …"""
    lowered: float = 0.5
    """… by this one."""
    rejected: float = 8.0
    """What a rejection multiplies it by."""
    damped_from: int = 2
    """The rejection from which the basis is damped too, by the weight at first …"""
    damped: float = 10.0
    """… and by this factor each time after that."""


@dataclass(frozen=True, kw_only=True)
class Exact:
    """The model with J known, and when J is taken anew (study)."""

    cut: float = 0.01
    """Data directions in which J is weaker than this share of the weight are left out of the model."""
    damped: float = 10.0
    """A rejection damps by the weight, and by this factor each time after that."""
    stale: float = 0.3
    """A ratio of true to predicted decrease below this says that J is no longer true."""
    steep: float = 10.0
    """So does damping that had to rise by this factor, or to this multiple of the weight,"""
    excess: float = 1.5
    """and a promise of more than this multiple of all of the energy."""
    good: float = 0.7
    """A ratio above this lessens the damping …"""
    lessened: float = 0.1
    """… by this factor,"""
    slight: float = 0.1
    """and what is below this share of the weight to none."""


@dataclass(frozen=True, kw_only=True)
class TimeStep:
    """Time steps of flows in an explicit inner product and of convex energies."""

    good: float = 0.5
    """A ratio of true to predicted decrease above which a time step is not too long: it doubles."""
    halvings: int = 40
    """Time steps that are looked at before a step of a convex energy is tried, at most: 40 halvings reach
    rounding."""


@dataclass(frozen=True, kw_only=True)
class SketchMethod:
    """J from one block of right-hand sides, or what matters of it from fewer (Halko, Martinsson, Tropp
    2011)."""

    most_rows: InverseCount = 1500
    """More readings than this are looked at through random combinations of them (study: time and memory)."""
    columns: InverseCount = 32
    """Combinations of readings that are taken at once until they are enough."""
    most_columns: InverseCount = 384
    """Combinations of readings at most (study: time and memory)."""
    faint: InversePositive = 3.0
    """Combinations of readings are enough when J is fainter in the weakest one than this multiple of the
    weight (study)."""
    pursued: int = 32
    """Directions that are added, where that was not reached, after what is left of the data (study)."""
    completed: int = 400
    """Directions that are added to a model for a step, at most."""
    small: float = 1e-3
    """What is unseen promises little if it is less than this share of the model's own promise (study)."""
    rank_cut: float = 1e-6
    """Directions whose part that was not seen yet is below this share of the largest are dropped."""


@dataclass(frozen=True, kw_only=True)
class SelectionMethod:
    """The choice of the regularisation and its weight from the data."""

    folds: Annotated[int, Settable(least=2, inverse=True)] = 5
    """Folds by which an R that depends on m is judged."""
    fewest: int = 2
    """Readings in each fold at least: with fewer no R that depends on m is considered."""
    lags: Annotated[int, Settable(least=1, most=100, inverse=True)] = 4
    """Times that an R which depends on m is built from the solution with the one before; of a fold only while
    it predicts as well as the best fixed one within a standard error (study)."""
    unseen: float = 0.03
    """Data directions in which J is weaker than this share of the weight play no part (study)."""
    weights: Annotated[int, Settable(least=5, most=10_000, inverse=True)] = 51
    """Weights of the regularisation that are considered, evenly spaced in their logarithm."""
    largest: float = 10.0
    """The largest one relative to the largest eigenvalue of JR⁻¹Jᵀ."""
    least: float = 1e-11
    """The least one relative to the same."""
    repeats: int = 10
    """Repeated readings beyond the first of each place tell the noise from this number on: to a quarter."""
    alike: float = 1e-6
    """Scores that differ by no more than this share are alike: the data cannot tell."""
    little: float = 5.0
    """Readings say little where a fit with fewer degrees of freedom than this is as good as any, within a
    standard error: it is then taken (study of rules)."""
    doubtful: float = 0.1
    """A fit is not believed that leaves less of the data than known noise would in this share of cases (study
    of rules) …"""
    against: float = 3.0
    """… unless the weight that the noise asks for predicts worse by more standard errors than this: then the
    stated noise is not believed (study of rules)."""


@dataclass(frozen=True, kw_only=True)
class FlowMatrixMethod:
    """The flow matrix G and its pseudo-inverse."""

    damping: Share = 1e-12
    """Damping of the natural direction as a share of trace G / P: rounding."""
    cut: Share = 1e-10
    """Eigenvalues of G, scaled to unit diagonal, below this share of the largest count as zero in G⁺."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far a model is followed by inner steps."""

    gain: Annotated[float, Settable(least=0, below=1)]
    """An inner step that gains less than this share of the decrease so far is the last."""
    steps: Annotated[int, Settable(least=1)]
    """Inner steps that are accepted at most."""
    least: float = 0.0
    """A step that gains less than this is the last, too, …"""
    slow: float = 0.0
    """… and so is one after which the last few gain less than this in the mean, for each parameter …"""
    slow_most: float = 0.0
    """… but no more than this for all of them."""
    few: int = 3
    """How many the last few are: the gains of crowded networks go up and down."""

    def ended(self, gains: Sequence[float], decrease: float, parameters: int) -> bool:
        """Whether the last of these gains, which add up to no more than the decrease so far, ends it."""
        last = gains[-self.few :]
        slow = min(self.slow * parameters, self.slow_most)
        few = len(last) == self.few and sum(last) < self.few * slow
        return few or last[-1] < max(self.gain * decrease, self.least)


@dataclass(frozen=True, kw_only=True)
class Retraction:
    """Inner steps: Levenberg–Marquardt with geodesic acceleration (Transtrum and Sethna 2012)."""

    coarse: Limits = Limits(gain=0.01, steps=20)
    """For a model that holds near m_k only (study)."""
    fine: Limits = Limits(gain=1e-3, steps=100)
    """For an exact one (study: `precise` falls from 30 state solves to 20)."""
    trial: Limits = Limits(gain=0.0, steps=3)
    """Inner steps by which proposals of how to grow are compared."""
    slight: float = 0.002
    """Share of the scale that an inner step has to gain where the model is exact: a fiftieth of what is
    negligible, since fewer would not add up to what counts."""
    slow: float = 1e-5
    """The same in the mean of a few steps for each parameter, since the price of a step rises with them
    faster than they do (study: `channels` takes 306 inner steps in place of 390) …"""
    slow_most: float = 0.01
    """… up to a tenth of what is negligible."""
    max_rejections: Tries = 12
    """Rejected inner steps at which following ends."""
    accept: float = 1e-4
    """An inner step is accepted if q falls by more than this share of the prediction (Armijo)."""
    damping: Annotated[float, Settable(above=0)] = 1e-3
    """First damping of inner steps relative to trace G / P (Nielsen 1999)."""
    least_damping: float = 1e-14
    """Least damping relative to the same: rounding."""
    probe: float = 0.1
    """Length along a step at which the path's curvature is probed (Transtrum and Sethna 2012)."""
    largest_bend: float = 0.75
    """Largest ratio of twice the correction to the step, in parameters, that is believed (the same)."""
    strayed: float = 0.5
    """A step that takes less than this share of the ideal decrease goes elsewhere than the ideal one
    (study)."""


@dataclass(frozen=True, kw_only=True)
class GrowthMethod:
    """How a network grows; what a user sets is in the case's section `expansion`."""

    fine_capture: float = 0.9
    """Capture below which a network grows where the model is exact (study)."""
    anew_capture: float = 0.5
    """A network that begins anew is taken from this capture on (study)."""
    anew_progress: float = 0.1
    """It grows while a round gains this share of what is missing (study)."""
    fewest: int = 2
    """Neurons that join at once, if that many gain anything."""
    dependent: float = 1e-8
    """A direction with less than this share of its square norm outside the tangent space adds nothing."""
    polish_first: float = 0.1
    """Length of the first uphill step of a candidate as a share of its row's, …"""
    polish_longer: float = 2.0
    """… what success multiplies it by, …"""
    polish_shorter: float = 0.3
    """… and failure."""
    prune_ridge: float = 1e-13
    """Added to ΨᵀKΨ, scaled to unit diagonal, where costs of pruning are worked out: they then never come
    out too small."""
    prune_scale: float = 0.01
    """Share of the scale that pruning may cost: a tenth of what ends the run …"""
    prune_gain: float = 0.1
    """… and of a step's decrease, so that it never takes what makes a step worth its trial."""


@dataclass(frozen=True, kw_only=True)
class StoppingMethod:
    """When the flow has done its work."""

    stall_share: Annotated[float, Settable(least=0, below=1)] = 1e-3
    """The run has stalled when `stall_iterations` running gained less than this share and did not grow."""
    stall_iterations: Annotated[int, Settable(least=1)] = 3
    """Iterations running that decide whether the run has stalled, creeps, or is too slow for its target."""
    near: float = 2.0
    """The misfit is near its target within this factor (study)."""
    little: float = 1 / 3
    """Where there is no target, an iteration that takes less than this share off the misfit has come near
    it (study)."""
    negligible: InversePositive = 0.1
    """An energy that falls by less than this share of what noise accounts for is at its minimum."""
    believed: tuple[float, float] = (0.8, 1.25)
    """Range of the ratio of true to predicted decrease in which a model's account of what is missing
    holds."""
    creeping: float = 0.02
    """A step that gains less than this share of what is missing after it creeps (study)."""
    floor: float = 1e-3
    """At least this share of the energy counts as what noise accounts for."""
    pace: InverseShare = 0.02
    """A misfit far from its target, off which `stall_iterations` running each take less than this share, will
    not get there: the noise level cannot be met, however the network grows (study)."""
    unmet: Annotated[float, Settable(above=1, inverse=True)] = 4.0
    """A misfit of more targets than this has not met the noise level: its noise is twice the stated."""


@dataclass(frozen=True, kw_only=True)
class LevelsMethod:
    """What the meshes of a run decide; changes of predicted readings are root mean squares in standard
    deviations of the noise."""

    resolved: InversePositive = 0.5
    """The regularisation is selected on a mesh from which to the next finer one the readings move by no more:
    the variance that the mesh adds to the noise is then a quarter of it at most."""
    unknown: float = 0.01
    """Of data whose noise is not known, the same before anything is found, as a share of the residual."""
    shown: float = 0.3
    """A function is approximated first on a mesh whose best one differs from that of the next finer mesh by
    no more than this share of its norm."""
    misled: InversePositive = 1.0
    """Where readings move by more with the regularisation that was selected, it is selected anew on the finer
    mesh, once."""


@dataclass(frozen=True, kw_only=True)
class PhasesMethod:
    """Coefficients of few values, and the fit of their interfaces."""

    widths: tuple[float, ...] = (2.0, 1.0, 0.35)
    """Half widths of the interface by which it becomes sharp, in widths of the cells (study of 2026)."""
    held: float = 0.3
    """One over the standard deviation of a level set's parameters, in units of their scales: no reading tells
    the height of a level set (study of 2026)."""
    neurons: int = 8
    """Of each level set at the start."""
    starts: Annotated[int, Settable(least=1, most=100, inverse=True)] = 2
    """Random starts of each number of phases, of which that which predicts best is taken: the energy has more
    than one minimum."""
    halvings: int = 8
    """Times at most that the perimeter's weight is halved, or that neurons join, until the misfit is down to
    that of the noise."""
    first: float = 1.0
    """The perimeter of the start costs this many times the misfit that noise accounts for."""
    doubt: float = 1.5
    """Standard errors by which phases have to predict better than a smooth coefficient, ..."""
    doubt_on_folds: float = 1.0
    """... and on folds."""
    simpler: float = 2.0
    """Standard errors by which more phases have to predict better than fewer: one by one does not tell that
    they have chosen the shapes of more interfaces."""
    few: int = 400
    """Readings below which they have to do so on folds too: one by one does not tell that the readings have
    chosen the shape of the interface (study of 2026)."""
    least_progress: float = 0.1
    """Where half of the weight takes less than this share off what the misfit is above the target, neurons
    join instead."""
    least_share: float = 0.02
    """A smaller share of the misfit is not worth a smaller weight, or more neurons: interfaces come to follow
    noise (study of 2026)."""
    rigid: float = 16.0
    """Weight of what varies smoothly beside phases at first, in that which the selection has found with the
    jumps in it: with 256 interfaces follow what is smooth, with 1 what varies takes the jumps over (study of
    2026)."""
    softens: float = 4.0
    """By so much it falls ..."""
    softer: int = 2
    """... so many times at most, until the misfit is down to that of the noise."""
    clearer: float = 1.0
    """Standard errors by which more phases with something smooth beside them have to predict better than
    fewer."""
    joining: int = 8
    """Neurons that join at once."""
    candidates: int = 400
    """Random neurons to choose from, for each level set."""
    slopes: tuple[float, float] = (1.0, 30.0)
    """Range of the slopes of their arguments where these are zero."""
    most_rows: float = 2.0
    """J is taken by its rows where there are no more readings than this many times the parameters."""
    few_steps: int = 12
    """Steps at most while the interface is still wide, ..."""
    most_steps: int = 30
    """... and when it is sharp."""
    negligible: float = 0.2
    """An iteration that gains less than this share of what noise makes of the energy in so many directions is
    the last."""
    together: int = 5
    """Steps that make an iteration of a run: J is taken at its beginning."""
    slow: float = 3e-3
    """Two steps running that gain less than this share of the energy end a fit (study of 2026)."""
    damping: float = 0.1
    """Of the first step, in units of H of parameters of unit size."""
    sharp_damping: float = 100.0
    """The same where the interfaces have just become sharper."""
    sharpest: float = 0.2
    """Half width of an interface on the finest mesh, whose cells are seen at several points (study)."""
    least_damping: float = 1e-8
    """Damping that no step falls below."""
    least_factor: float = 0.2
    """A good step lowers the damping by this factor at most (Nielsen 1999: 1/3)."""
    rejected: float = 5.0
    """A rejected one raises it by this."""
    accept: float = 1e-4
    """A step is accepted if the energy falls by more than this share of what is promised (Armijo)."""
    stale: float = 0.5
    """J is taken anew after a step that gains less than this share of what is promised."""
    max_rejections: int = 16
    """Trials of one step at which a fit is over."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """The constants of the flow, which `advance` and `solve` take beside the problem."""

    trials: Trials = field(default_factory=Trials)
    """Trial steps."""
    krylov: Krylov = field(default_factory=Krylov)
    """The Gauss–Newton model from few right-hand sides."""
    discrepancy: Discrepancy = field(default_factory=Discrepancy)
    """What misfit the linearised problem aims at."""
    caution: Caution = field(default_factory=Caution)
    """The safe complement of a Krylov model."""
    exact: Exact = field(default_factory=Exact)
    """The model with J known."""
    time_step: TimeStep = field(default_factory=TimeStep)
    """Time steps."""
    sketch: SketchMethod = field(default_factory=SketchMethod)
    """J from combinations of readings."""
    selection: SelectionMethod = field(default_factory=SelectionMethod)
    """The choice of the regularisation and its weight."""
    matrix: FlowMatrixMethod = field(default_factory=FlowMatrixMethod)
    """The flow matrix and its pseudo-inverse."""
    retraction: Retraction = field(default_factory=Retraction)
    """Inner steps."""
    growth: GrowthMethod = field(default_factory=GrowthMethod)
    """How a network grows."""
    stopping: StoppingMethod = field(default_factory=StoppingMethod)
    """When a run ends."""
    levels: LevelsMethod = field(default_factory=LevelsMethod)
    """What the meshes of a run decide."""
    phases: PhasesMethod = field(default_factory=PhasesMethod)
    """Coefficients of few values."""


Measure = Literal["capture", "alignment"]
"""What a network's growth is judged by: of the step it took, or of the tangent space before it."""
