"""The second stage: what the minimisation goes by once the data have chosen the regularisation."""

from dataclasses import dataclass, replace

from app.flow.exact import ExactBuilder, Factors
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation
from app.flow.selection import Chosen, chosen_again, select
from app.flow.state import FlowState
from app.flow.stopping import AtMinimum
from app.method import Method


@dataclass(frozen=True, eq=False)
class Minimiser:
    """What the minimisation goes by: made from what the data chose."""

    builder: ExactBuilder
    stopping: AtMinimum
    chosen: Chosen
    factors: Factors | None = None

    @staticmethod
    def of(problem: Minimisation, method: Method, state: FlowState, chosen: Chosen) -> "Minimiser":
        """Without J."""
        selected = state.selected
        assert selected is not None
        noise = 0.5 * selected.freedom * selected.spread**2
        begun = max(selected.iteration, state.here[0].iteration)
        stopping = AtMinimum(begun, problem.max_iterations, noise, method.stopping)
        builder = ExactBuilder(chosen.R, selected.weight, stopping, method, problem.level)
        return Minimiser(builder, stopping, chosen)


def after_selection(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """After the data have chosen R and w."""
    at: AnyEvaluation = state.evaluation
    chosen, selected, sketch = select(problem, method, at, state.records[-1])
    state = replace(state, stage="minimisation", selected=selected, notes=())
    minimiser = Minimiser.of(problem, method, state, chosen)
    memory, factors = minimiser.builder.from_sketch(sketch, state.representation)
    step = problem.step.following_closely(state.representation, state.step)
    state = replace(state, model=memory, step=step, exact=replace(minimiser, factors=factors))
    return replace(state, stop_reason=minimiser.stopping(state.here, at))


def complete(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """The state with its evaluation, and in the minimisation with R and J, made again where they are missing;
    collective, raises SolveFailed."""
    exact, at = state.exact, state.evaluation
    if state.stage in ("minimisation", "phase_selection", "phases") and exact is None:
        assert state.selected is not None
        chosen = chosen_again(problem, state.selected)
        exact = Minimiser.of(problem, method, state, chosen)
    if state.stage in ("minimisation", "phase_selection") and exact.factors is None:
        taken = state.model.taken
        there: AnyEvaluation = problem.on(taken.level).at(taken.anchor)
        factors = exact.builder.again(there, there.m - problem.reference, state.model)
        exact, at = replace(exact, factors=factors), None
    if at is None:  # last, since what the energy was last asked for costs no factorisation
        at = problem.at(state.representation)
    return replace(state, evaluation=at, exact=exact)
