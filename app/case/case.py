"""A case: everything that the YAML file says, validated, with all defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from app.case.base import BaseCase
from app.case.document import Key
from app.case.experiments import Experiment
from app.case.inversion import ExpansionSpec, Flow
from app.case.means import with_means
from app.case.mesh import Levels
from app.case.posterior import PosteriorSpec
from app.case.predictions import Prediction, check_named, check_predictions
from app.case.regularisation import OWN, RegularisationSpec
from app.case.unknowns import Unknown
from app.equations import AnyEquationSpec, stands_for
from app.observe import OBSERVATIONS, Observations, ValueObservations, accepted_kinds
from app.schema.expression import Expression
from app.schema.grammar import ExpressionError
from app.schema.problems import CaseError, nearest
from app.schema.section import Identifier, Section, refuse

UNSHARED = ("scale", "mean")
"""Entries that one unknown's regularisation does not have of another's."""


class InverseEnergy(Section):
    """An energy that observations make."""

    kind: Literal["inverse", "regression"] = "inverse"
    """The misfit of observations; regression: of the unknown's own values, without an equation."""

    @model_validator(mode="before")
    @classmethod
    def _fits_one_thing(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("kind") == "regression" and "function" in value:
            raise refuse("a function beside observations", "one of the two", key="function")
        return value


class Case(BaseCase):
    """A recovery problem."""

    energy: InverseEnergy = InverseEnergy()
    """What is minimised."""
    equation: AnyEquationSpec
    """The partial differential equation."""
    unknowns: Annotated[dict[Identifier, Unknown], Field(min_length=1)]
    """The coefficients to recover, by name; several have roles that stand for different terms."""
    experiments: dict[Identifier, Experiment] = Field(default_factory=dict)
    """Several experiments that share the unknowns, by name; each has observations of its own."""
    observations: dict[Identifier, Observations] = Field(default_factory=dict, validate_default=True)
    """The measurements, by name, of a case without experiments."""
    flow: Flow = Flow()
    """How the iteration goes and when it stops."""
    regularisation: dict[str, RegularisationSpec] = Field(default_factory=dict, validate_default=True)
    """The regularisation of each unknown, by the unknown's name; of several alike but for the scale."""
    expansion: ExpansionSpec = ExpansionSpec()
    """When and how the network grows."""
    levels: Levels = "auto"
    """Meshes, each of half the cell size of the one before, on which the run goes one after the other: all is
    decided on the coarsest and confirmed on the others, the last of which is the case's own. auto: as many as
    resolve the equation; 1: the case's own only."""
    posterior: PosteriorSpec = PosteriorSpec()
    """How sure the result is; changes nothing in the run."""
    predictions: dict[Identifier, Prediction] = Field(default_factory=dict)
    """What is worked out with its uncertainty once the run is over, by name; changes nothing in the run."""

    @model_validator(mode="before")
    @classmethod
    def _needs_no_equation(cls, value: Any) -> Any:
        """Regression: the observations are of the unknown, which stands for itself."""
        energy = value.get("energy") if isinstance(value, dict) else None
        if not (isinstance(energy, dict) and energy.get("kind") == "regression"):
            return value
        unknowns = value.get("unknowns") or {"m": {}}
        if isinstance(unknowns, dict):
            unknowns = {
                name: {"role": "value", **one} if isinstance(one, dict) else one
                for name, one in unknowns.items()
            }
        return {"equation": {"kind": "identity"}, **value, "unknowns": unknowns}

    @model_validator(mode="before")
    @classmethod
    def _starts_at_the_mean(cls, value: Any) -> Any:
        """The mean of a prior is the unknown's reference."""
        return with_means(value)

    @field_validator("equation")
    @classmethod
    def _goes_with_the_energy(cls, value: Any, info: ValidationInfo) -> Any:
        energy = info.data.get("energy")
        if energy is not None and energy.kind == "regression" and value.kind != "identity":
            raise refuse(f"the equation {value.kind} with the energy regression", "no equation")
        return value

    @field_validator("unknowns")
    @classmethod
    def _unknowns_fit(cls, value: dict[str, Unknown], info: ValidationInfo) -> dict[str, Unknown]:
        """Electrical tomography recovers log-resistivity; other equations tell their roles themselves.

        Several unknowns stand for different terms, and are all networks or all nodal.
        """
        equation = info.data.get("equation")
        taken: dict[str, str] = {}
        first = next(iter(value.values())).representation.kind
        for name, unknown in value.items():
            electrical = equation is not None and equation.kind == "electrical_tomography"
            sought = stands_for(unknown.role)
            if sought != "coefficient" and sought in taken:
                found = f"the role {unknown.role} beside the unknown {taken[sought]}, which is that term too"
                raise refuse(found, "the role of another term", key=name)
            if unknown.representation.kind != first:
                found = f"the representation {unknown.representation.kind} beside {first}"
                raise refuse(found, "one kind for all unknowns", key=name)
            taken[sought] = name
            if electrical and unknown.role != "log_resistivity":
                found = f"the role {unknown.role} in the equation electrical_tomography"
                raise refuse(found, "the role log_resistivity", key=name)
        return value

    @field_validator("experiments")
    @classmethod
    def _experiments_fit(cls, value: dict[str, Experiment], info: ValidationInfo) -> dict[str, Experiment]:
        """The patterns of electrical tomography are experiments already."""
        equation = info.data.get("equation")
        if value and equation is not None and equation.kind == "electrical_tomography":
            raise refuse("experiments of electrical tomography", "all readings in one file")
        return value

    @field_validator("observations")
    @classmethod
    def _observations_fit(
        cls, value: dict[str, Observations], info: ValidationInfo
    ) -> dict[str, Observations]:
        """Kinds go with the equation, and with a mesh through electrodes those that have some."""
        experiments = info.data.get("experiments")  # None where something is wrong with them
        if experiments and value:
            raise refuse("observations beside experiments", "those of each experiment, or no experiments")
        if experiments == {} and not value:
            raise refuse("no observation", "a mapping with at least one entry, or experiments")
        equation, mesh, unknowns = map(info.data.get, ("equation", "mesh", "unknowns"))
        for name, observation in value.items():
            if equation is not None:
                kinds = accepted_kinds(equation.kind, in_time=hasattr(equation, "time"))
                if observation.kind not in kinds:
                    found = f"the kind {observation.kind} with the equation {equation.kind}"
                    several = "one of the kinds" if len(kinds) > 1 else "the kind"
                    raise refuse(found, f"{several} {', '.join(kinds)}", key=name)
            if isinstance(observation, ValueObservations) and unknowns is not None:
                check_named("unknown", observation.unknown, unknowns, name, needed=len(unknowns) > 1)
            if mesh is not None and mesh.kind == "electrodes" and not observation.places_electrodes:
                found = f"the kind {observation.kind} with a mesh through electrodes"
                kinds = [kind for kind, each in OBSERVATIONS.items() if each.places_electrodes]
                raise refuse(found, f"the kind {' or '.join(kinds)}, or another mesh", key=name)
            if observation.alone and len(value) > 1:
                raise refuse(f"{len(value)} observations", f"one of the kind {observation.kind}", key=name)
        return value

    @field_validator("posterior")
    @classmethod
    def _has_chains_of_a_field(cls, value: PosteriorSpec, info: ValidationInfo) -> PosteriorSpec:
        """Chains move nodal values about a Gaussian posterior, which phases have not."""
        unknowns = info.data.get("unknowns", {}).values()
        if value.kind == "mcmc" and any(one.representation.kind == "phases" for one in unknowns):
            raise refuse("mcmc with the representation phases", "laplace or none", key="kind")
        return value

    @field_validator("predictions")
    @classmethod
    def _predictions_fit(cls, value: dict[str, Prediction], info: ValidationInfo) -> dict[str, Prediction]:
        """Kinds go with the equation, and what is named is there."""
        check_predictions(value, *map(info.data.get, ("equation", "experiments", "unknowns")))
        return value

    @field_validator("regularisation", mode="before")
    @classmethod
    def _covers_unknowns(cls, value: Any, info: ValidationInfo) -> Any:
        """Nothing said, R is chosen from the data, where the flow has the model that the choice needs."""
        if not isinstance(value, dict):
            return value
        flow = info.data.get("flow", Flow())
        usual = {} if _has_choice(flow) else {"kind": "h1"}
        given = {name: usual if part == {} else part for name, part in value.items()}
        said = [part for part in given.values() if isinstance(part, dict)]
        if said:  # of one unknown, which holds for the others too
            usual = {**usual, **{key: entry for key, entry in said[0].items() if key not in UNSHARED}}
        return {**{name: usual for name in info.data.get("unknowns", {})}, **given}

    @field_validator("regularisation")
    @classmethod
    def _has_interfaces(
        cls, value: dict[str, RegularisationSpec], info: ValidationInfo
    ) -> dict[str, RegularisationSpec]:
        """The perimeter is of phases, of one unknown in the domain, and phases have no other penalty."""
        unknowns = info.data.get("unknowns", {})
        for name, unknown in unknowns.items():
            kind, chosen = unknown.representation.kind, value.get(name)
            if chosen is None:
                continue
            if chosen.kind == "perimeter" and kind != "phases":
                found = f"perimeter with the representation {kind}"
                raise refuse(found, "the representation phases, or another kind", key=name)
            if kind != "phases":
                continue
            if not chosen.open or chosen.weight == "evidence":
                found = f"{chosen.kind} with the weight {chosen.weight} of an unknown of phases"
                raise refuse(found, "the kind perimeter, or nothing", key=name)
            if len(unknowns) > 1:
                raise refuse(f"phases beside {len(unknowns) - 1} more unknown", "one unknown", key=name)
            if unknown.on is not None:
                raise refuse("phases of an unknown on the boundary", "a network", key=name)
        return value

    @field_validator("regularisation")
    @classmethod
    def _names_unknowns(
        cls, value: dict[str, RegularisationSpec], info: ValidationInfo
    ) -> dict[str, RegularisationSpec]:
        unknowns = info.data.get("unknowns", value)
        for name in value:
            if name not in unknowns:
                expected = f"an unknown of this case: {', '.join(unknowns)}"
                raise refuse(f"the name {name!r}", expected + nearest(name, unknowns), key=name)
            first = next(iter(value))
            for key in RegularisationSpec.model_fields:
                if key in OWN:
                    continue
                one, other = getattr(value[name], key), getattr(value[first], key)
                if one != other:
                    found = f"{key} {one} beside {other} of the unknown {first}"
                    raise refuse(found, f"the same for all unknowns, {', '.join(OWN)} aside", key=name)
            mean, start = value[name].mean, getattr(unknowns[name], "reference", None)
            if mean is not None and start is not None and mean != start:
                found = f"the mean {mean.text} beside the reference {start.text} of the unknown {name}"
                raise refuse(found, "one of the two, or both alike", key=name)
            flow = info.data.get("flow", Flow())
            if value[name].selected and not _has_choice(flow):
                found = f"{value[name].weight} with inner_product {flow.inner_product} and step {flow.step}"
                expected = "inner_product gauss_newton and step retracted, or another weight"
                raise refuse(found, expected, key=name)
        return value


def _has_choice(flow: Flow) -> bool:
    """Whether the flow can follow the model that a choice of the regularisation leads to."""
    return flow.inner_product == "gauss_newton" and flow.step == "retracted"


def check_dimension(case: BaseCase, dimension: int) -> None:
    """Raise CaseError for each expression that uses a coordinate the mesh does not have.

    `load_case` does this where the case settles the dimension; with a mesh from a file only the
    one who reads the file can.
    """
    problems = []
    for path, expression in _expressions(case):
        try:
            expression.check_dimension(dimension)
        except ExpressionError as cause:
            problems.append(f"{case.where(*path)}: {cause}")
    if problems:
        raise CaseError(problems)


def _expressions(value: object, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Expression]]:
    """Every expression of a case with the path to it."""
    if isinstance(value, Expression):
        yield path, value
    elif isinstance(value, BaseModel | dict):
        for key, part in dict(value).items():
            yield from _expressions(part, (*path, key))
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from _expressions(part, (*path, index))
