"""A coefficient of few values: each phase is where a level set is positive, the interface is its zeros."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import torch

from app.network.activations import in_torch
from app.network.candidates import Candidates
from app.network.cells import Cells, Rows, Tangent
from app.network.level_set import LevelSet
from app.network.nodes import Nodes
from app.network.transforms import TRANSFORMS, Given, Transform
from app.types import Described, Summary

VALUES = {**TRANSFORMS, "given": Given}
"""Where the values of phases come from, by name."""

SHARP = 0.35
"""Half width ε of an interface, in widths of the cells: it passes between neighbouring nodes."""

PERIMETER = 1.0
"""The same of what the perimeter is measured by: by its values at the nodes one of 0.35 is found up to 40 %
too long or too short, one of 1.0 by 0.2 %."""

FAR = 12.0
"""Half widths of what the perimeter is measured by from which on nothing is seen of an interface: what counts
of it there, sech² 12, is 1e-10."""

SLIGHT = 0.01
"""A step by less than this share of the unit costs as if it were that."""


class Phases:
    """m = v₀ + Σ_l (v_l − v₀)·½(1 + tanh(u_l/ε)), u_l the distance from the zeros of a level set φ_l.

    θ has the parameters of each level set, then those of the values v₀, v₁, … that are not given. ε is a
    share of the width of the cells: of a finer mesh the interface is sharper. Immutable, as Network is.
    """

    def __init__(
        self,
        sets: Sequence[LevelSet],
        values: Sequence[Transform],
        cells: Cells,
        *,
        unit: float = 1.0,
        sharpness: float = SHARP,
    ) -> None:
        """`unit` is a typical step of m; `values` has one transform more than there are level sets."""
        self.sets, self._values, self.cells = tuple(sets), tuple(values), cells
        self.unit, self.sharpness = unit, sharpness
        ends = np.cumsum([0, *(one.size for one in sets)]).tolist()
        self._own = [slice(start, stop) for start, stop in pairwise(ends)]
        self._free = [i for i, value in enumerate(values) if not isinstance(value, Given)]
        self.geometry = slice(0, ends[-1])
        """Where in θ the level sets' parameters are."""
        self._raw = slice(ends[-1], ends[-1] + len(self._free))
        """Where in θ those of the values are."""
        self.size: int = self._raw.stop

    @property
    def uniform(self) -> bool:
        """Whether interfaces are equally wide everywhere."""
        return self.cells.uniform

    @property
    def length(self) -> float:
        """The unit of length, in the mesh's."""
        return self.sets[0].length

    @property
    def number(self) -> int:
        """Phases beside the one around them."""
        return len(self.sets)

    @property
    def owned(self) -> int:
        """The rank's nodes."""
        return self.sets[0].owned

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of all level sets together."""
        return (sum(one.widths[0] for one in self.sets),)

    @property
    def room(self) -> int:
        """Neurons that may still join."""
        return sum(one.room for one in self.sets)

    @property
    def shape(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Hidden layers of each level set, see Network."""
        return tuple(own for one in self.sets for own in one.shape)

    def shaped(self, shape: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Self:
        """The same with other hidden layers, see `shape`."""
        sets = [one.shaped([own]) for one, own in zip(self.sets, shape, strict=True)]
        return self._with([one for one in sets if isinstance(one, LevelSet)])

    @property
    def parts(self) -> tuple[Self, ...]:
        """As if it were one of several unknowns."""
        return (self,)

    def split(self, theta: np.ndarray) -> list[np.ndarray]:
        """As of several unknowns."""
        return [theta]

    @property
    def held(self) -> np.ndarray:
        """Numbers of the parameters whose size no reading tells: those of the level sets."""
        return np.arange(self.geometry.stop)

    @property
    def scales(self) -> np.ndarray:
        """The size of each parameter: of level sets its standard deviation before the data."""
        return np.concatenate([*(one.scales for one in self.sets), *([self._scale(i)] for i in self._free)])

    def _scale(self, index: int) -> float:
        """Of the parameter of a value: the unit, or where bounds hold it, that of a logistic function."""
        return self.unit if np.all(self._values[index].slope(np.zeros(1)) == 1.0) else 1.0

    def of_values(self, theta: np.ndarray) -> np.ndarray:
        """v₀, v₁, …, of θ, shape (number + 1,)."""
        raw = np.zeros(self.number + 1)
        raw[self._free] = theta[self._raw]
        pairs = zip(self._values, raw, strict=True)
        return np.array([value.value(np.array([s]))[0] for value, s in pairs])

    def parameters_of(self, level_sets: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
        """θ of the level sets' parameters and of values, moved to where their bounds allow them."""
        raw = []
        for i in self._free:
            inner = values[i]
            low, high = (getattr(self._values[i], end, None) for end in ("low", "high"))
            if low is not None and high is not None:
                inner = np.clip(inner, low + 0.05 * (high - low), high - 0.05 * (high - low))
            raw.append(self._values[i].inverse(np.array([inner]))[0])
        return np.concatenate([*level_sets, raw])

    def level_sets_of(self, theta: np.ndarray) -> list[np.ndarray]:
        """The parameters of each level set."""
        return [theta[own] for own in self._own]

    def shares(self, theta: np.ndarray) -> np.ndarray:
        """½(1 + tanh(u_l/ε)) at the owned nodes, shape (owned, number)."""
        found: np.ndarray = 0.5 * (1.0 + np.tanh(self._distances(theta) / self._epsilon[:, None]))
        return found

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m at the owned nodes, shape (owned,)."""
        v = self.of_values(theta)
        m: np.ndarray = v[0] + self.shares(theta) @ (v[1:] - v[0])
        return m

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """D = ∂m/∂θ at the owned nodes, shape (owned, size), column-major."""
        return self.linearised(theta, 0.0).D

    def perimeters(self, theta: np.ndarray) -> np.ndarray:
        """This rank's share of the perimeter of each phase, shape (number,), in the unit of length: the sum
        over the ranks is the perimeter.

        ∫|∇H| of H = ½(1 + tanh(u/ε)), by differences over the width of a cell at the nodes: by the coarea
        formula that is the perimeter, whatever u is beside the interface.
        """
        pairs = zip(self.sets, self._own, strict=True)
        return np.array([self.cells.measure @ self._steepness(one, theta[own]) for one, own in pairs])

    def _steepness(self, one: LevelSet, theta: np.ndarray) -> np.ndarray:
        """|∇H| of one phase at the owned nodes."""
        half, squares = 0.5 * self.cells.width[:, None], np.zeros(self.owned)
        for along in np.eye(len(self.box[0])):
            u = [one.moved(sign * half * along).distance(theta) for sign in (-1.0, 1.0)]
            before, behind = (0.5 * np.tanh(each / self._wide) for each in u)
            squares += ((behind - before) / self.cells.width) ** 2
        steepness: np.ndarray = np.sqrt(squares)
        return steepness

    def sizes(self, theta: np.ndarray) -> np.ndarray:
        """This rank's share of the area or volume of each phase, shape (number,), likewise."""
        found: np.ndarray = self.cells.measure @ self.shares(theta)
        return found

    def perimeter_rows(self, theta: np.ndarray, weight: float) -> np.ndarray:
        """r at the owned nodes, shape (owned · number,), of which ½Σr² over all ranks is
        weight · Σ_l |v_l − v₀| ∫ ½ sech²(u_l/ε)/ε: the perimeter of phase l where u_l is a distance, and less
        where φ_l rises and levels off within a cell."""
        step = self.of_values(theta)[1:] - self.of_values(theta)[0]
        rows: np.ndarray = (self._sech(self._distances(theta)) * self._height(weight, step)).T.ravel()
        return rows

    def linearised(self, theta: np.ndarray, weight: float) -> Tangent:
        """∂m/∂θ, and the derivative of `perimeter_rows` where it is not negligible."""
        v, distances = self.of_values(theta), self._distances(theta)
        slopes = self._value_slopes(theta)
        share = 0.5 * (1.0 + np.tanh(distances / self._epsilon[:, None]))
        D = np.zeros((self.owned, self.size), order="F")
        by_values = np.column_stack([1.0 - share.sum(axis=1), share])
        D[:, self._raw] = by_values[:, self._free] * slopes
        height = self._height(weight, v[1:] - v[0])
        rows, moving = [], np.zeros(self.owned, dtype=bool)
        for number, (one, own) in enumerate(zip(self.sets, self._own, strict=True)):
            u, step = distances[:, number], v[number + 1] - v[0]
            near = self._near(u)
            moved = one.distance_jacobian(theta[own], near)
            sharp = 2.0 * step * share[near, number] * (1.0 - share[near, number]) / self._epsilon[near]
            D[near, own] = sharp[:, None] * moved
            moving[near[np.abs(u[near]) < FAR * self._epsilon[near]]] = True
            if weight:
                rows.append(self._rows(number, u[near], near, moved, step, height[near, number], slopes))
        return Tangent(D, np.flatnonzero(moving), self.geometry, rows)

    def _rows(
        self,
        number: int,
        u: np.ndarray,
        near: np.ndarray,
        moved: np.ndarray,
        step: float,
        height: np.ndarray,
        slopes: np.ndarray,
    ) -> Rows:
        """Those of one phase: they depend on its level set, on its value and on v₀."""
        wide = self._wide[near]
        r = height / np.cosh(u / wide)
        by_step = 0.5 * r * step / (step**2 + (SLIGHT * self.unit) ** 2)
        signs = {0: -1.0, number + 1: 1.0}
        own = [(place, signs[index]) for place, index in enumerate(self._free) if index in signs]
        by_values = [sign * slopes[place] * by_step for place, sign in own]
        geometry = np.arange(self._own[number].start, self._own[number].stop)
        columns = np.concatenate([geometry, [self._raw.start + place for place, _ in own]]).astype(int)
        block = np.asfortranarray(
            np.column_stack([(-r * np.tanh(u / wide) / wide)[:, None] * moved, *by_values])
        )
        return Rows(near + number * self.owned, columns, r, block)

    def sharpened(self, sharpness: float) -> Self:
        """The same with interfaces of this half width, in widths of the cells."""
        other = copy.copy(self)
        other.sharpness = sharpness
        return other

    def at(self, nodes: Nodes, cells: Cells | None = None) -> Self:
        """The same at other nodes; without a mesh about them with interfaces as wide as here typically."""
        if cells is None:
            count, typical = len(nodes.scaled), self.cells.typical
            cells = Cells(np.zeros(count), np.full(count, typical), typical)
        other = copy.copy(self)
        other.sets, other.cells = tuple(one.at(nodes) for one in self.sets), cells
        return other

    def grown(self, theta: np.ndarray, incoming: np.ndarray, number: int) -> tuple[Self, np.ndarray]:
        """With neurons of these rows added to a level set, outgoing weights zero: m is unchanged."""
        sets, parameters = list(self.sets), self.level_sets_of(theta)
        grown, parameters[number] = sets[number].grown(parameters[number], incoming)
        assert isinstance(grown, LevelSet)
        sets[number] = grown
        return self._with(sets), np.concatenate([*parameters, theta[self.geometry.stop :]])

    def pool(
        self,
        theta: np.ndarray,
        number: int,
        count: int,
        scales: tuple[float, float],
        rng: np.random.Generator,
    ) -> Candidates:
        """Random neurons that might join a level set, drawn alike on all ranks; see Network.candidates."""
        return self.sets[number].candidates(self.level_sets_of(theta)[number], count, scales, rng)

    def near(self, theta: np.ndarray, number: int) -> np.ndarray:
        """Numbers of the owned nodes that are near the interface of a phase."""
        return self._near(self.sets[number].distance(theta[self._own[number]]))

    def _near(self, u: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.abs(u) < FAR * self._wide)

    def raised(self, theta: np.ndarray, number: int, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives of m and of this phase's rows r by its level set's height at each owned node,
        shapes (owned,), the gradient of the height aside: it does not count on the interface."""
        v, u = self.of_values(theta), self._distances(theta)
        one, own = self.sets[number], self._own[number]
        flat = one.flatness(theta[own])
        share = 0.5 * (1.0 + np.tanh(u[:, number] / self._epsilon))
        of_m = 2.0 * (v[number + 1] - v[0]) * share * (1.0 - share) / self._epsilon
        height, sech = self._height(weight, v[1:] - v[0])[:, number], self._sech(u)[:, number]
        of_rows = -height * sech * np.tanh(u[:, number] / self._wide) / self._wide
        return of_m * flat, of_rows * flat

    def base_of(self, reference: float) -> float:
        """See Network: phases depart from nothing."""
        return 0.0

    def nodes_at(self, coordinates: np.ndarray, reference: np.ndarray) -> Nodes:
        """Nodes elsewhere, scaled as the level sets' own are."""
        return self.sets[0].nodes_at(coordinates, reference)

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """See Network."""
        return self.sets[0].box

    def described(self) -> Summary:
        """All but the parameters and the nodes, in plain data."""
        kinds = {kind: name for name, kind in VALUES.items()}
        return {
            "kind": "phases",
            "hidden": [list(one.widths) for one in self.sets],
            "features": self.sets[0].described()["features"],
            "values": [{"kind": kinds[type(value)], **vars(value)} for value in self._values],
            "unit": self.unit,
            "sharpness": self.sharpness,
            "length": self.sets[0].length,
            "width": self.cells.typical,
            "max_width": self.sets[0].max_width,
            "box": [corner.tolist() for corner in self.box],
        }

    @staticmethod
    def of(told: Described, nodes: Nodes) -> "Phases":
        """What `described` tells, at nodes whose box is its own."""
        values = [dict(value) for value in told["values"]]
        made = [VALUES[value.pop("kind")](**value) for value in values]
        length, most, features = told["length"], told["max_width"], told["features"]
        sets = [LevelSet(hidden, nodes, length, most, features) for hidden in told["hidden"]]
        count, width = len(nodes.scaled), told["width"]
        cells = Cells(np.zeros(count), np.full(count, width), width)
        return Phases(sets, made, cells, unit=told["unit"], sharpness=told["sharpness"])

    def evaluated(self, theta: torch.Tensor, scaled: torch.Tensor, base: float) -> torch.Tensor:
        """m, shape (n,), at scaled points, shape (dimension, n); torch can differentiate it."""
        raw, values = iter(theta[self._raw]), []
        for each in self._values:
            s = torch.zeros((), dtype=theta.dtype) if isinstance(each, Given) else next(raw)
            values.append(in_torch(each, s))
        m, width = values[0].expand(scaled.shape[1]), self.sharpness * self.cells.typical
        for one, own, value in zip(self.sets, self._own, values[1:], strict=True):
            u = one.first_order(theta[own], one.lifted(scaled), one.slopes_at(scaled))
            m = m + (value - values[0]) * 0.5 * (1.0 + torch.tanh(u / width))
        return m

    @property
    def _epsilon(self) -> np.ndarray:
        """Half width of the interface at each node."""
        epsilon: np.ndarray = self.sharpness * self.cells.width
        return epsilon

    @property
    def _wide(self) -> np.ndarray:
        """The same of what the perimeter is measured by."""
        epsilon: np.ndarray = max(self.sharpness, PERIMETER) * self.cells.width
        return epsilon

    def _distances(self, theta: np.ndarray) -> np.ndarray:
        """u of each level set, shape (owned, number)."""
        pairs = zip(self.sets, self._own, strict=True)
        return np.column_stack([one.distance(theta[own]) for one, own in pairs])

    def _sech(self, distances: np.ndarray) -> np.ndarray:
        """sech(u/ε) with the perimeter's ε."""
        z = np.minimum(np.abs(distances) / self._wide[:, None], 300.0)
        found: np.ndarray = 1.0 / np.cosh(z)
        return found

    def _height(self, weight: float, step: np.ndarray) -> np.ndarray:
        """Of the rows, shape (owned, number)."""
        size = np.sqrt(step**2 + (SLIGHT * self.unit) ** 2)
        found: np.ndarray = np.sqrt(weight * size * (self.cells.measure / self._wide)[:, None])
        return found

    def _value_slopes(self, theta: np.ndarray) -> np.ndarray:
        """∂v/∂s of the values that are not given."""
        raw = theta[self._raw]
        pairs = zip((self._values[i] for i in self._free), raw, strict=True)
        return np.array([value.slope(np.array([s]))[0] for value, s in pairs])

    def _with(self, sets: Sequence[LevelSet]) -> Self:
        """With other level sets."""
        return type(self)(sets, self._values, self.cells, unit=self.unit, sharpness=self.sharpness)
