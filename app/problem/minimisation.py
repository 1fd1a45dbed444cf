"""What the flow minimises of an inverse problem on one mesh."""

from app import flow
from app.mesh import JointOrder, NodeOrder
from app.problem.inversion import Inversion, start_of
from app.problem.models import builder_of, candidate_of, considered_of, selection_of
from app.problem.phases import InversionPhases


def first_of(given: Inversion) -> flow.Candidate:
    """The regularisation on the way to the target, and the only one where the data choose none."""
    kind = given.case.regularisation[given.name].kind
    return candidate_of(given, "h1" if considered_of(given) else kind, "riesz")


def minimisation_of(
    given: Inversion,
    first: flow.Candidate,
    method: flow.Method,
    meter: flow.Meter,
    truth: flow.Truth,
    *,
    finest: bool,
) -> flow.Minimisation:
    """The minimisation of a misfit, at the nodes of its mesh, which may be the finest of several."""
    case = given.case
    start = start_of(given, method)
    chosen, most = case.regularisation[given.name], case.flow.max_iterations
    builder = builder_of(given, first.regularisation, method, creeps=start.step.creeps)
    # An explicit flow creeps by nature, and a given weight has no target to come to.
    to_target = case.flow.inner_product == "gauss_newton" and chosen.stated_weight is None
    pace = method.stopping.pace if to_target else 0.0
    stopping: flow.Stopping = flow.AtTarget(given.target, most, method.stopping, pace)
    selection = None
    if chosen.selected:
        selection = selection_of(given, first, method)
        stopping = flow.NearTarget(given.target, most, method.stopping, pace)
    return flow.Minimisation(
        energy=given.energy,
        reference=given.reference,
        start=start.own,
        step=start.step,
        builder=builder,
        stopping=stopping,
        max_iterations=most,
        selection=selection,
        state=start.state,
        meter=meter,
        truth=truth,
        target=given.target,
        owned=given.owned,
        measured=True,
        phases=phases_of(given, method, finest=finest),
    )


def phases_of(given: Inversion, method: flow.Method, *, finest: bool) -> InversionPhases | None:
    """What makes phases, where the case asks for them or lets the data choose; None where it does not, of
    several unknowns, and of those on a boundary."""
    if len(given.spaces) > 1:
        return None
    unknown = given.case.unknowns[given.name]
    chosen, own = given.case.regularisation[given.name], unknown.representation
    considered = own.kind == "network" and own.phases and chosen.kind == "auto"
    considered = considered and chosen.weight == "cross_validation" and unknown.on is None
    return InversionPhases(given, method, finest=finest) if own.kind == "phases" or considered else None


def order_of(given: Inversion) -> JointOrder:
    """Of the values at the nodes of all unknowns."""
    spaces = list(given.spaces.values())
    parts = [NodeOrder(given.domain.comm, space.coordinates) for space in spaces]
    return JointOrder(parts, [space.owned for space in spaces])
