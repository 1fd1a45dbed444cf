"""The coefficient as a function: evaluated anywhere in the domain, saved, and read back.

Where a network is all there is to it, the network is what is evaluated; where the mesh has its part in it
(nodal values, degree 0, parts on which it is known, given values on the boundary), the finite-element
function is.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from dolfinx.plot import vtk_mesh
from mpi4py import MPI
from safetensors.numpy import load, save

from app.case import Expression
from app.mesh import (
    CoefficientSpace,
    NodeOrder,
    StoredMesh,
    TaggedMesh,
    joint_space,
    point_matrix,
    restored,
    stored,
)
from app.output.files import Losses, written
from app.parallel import multiply, on_root
from app.types import Json, Summary

if TYPE_CHECKING:
    import torch

    from app.network import Network, Phases

FORMAT = 1

WRITES = ("network.json", "network.safetensors", "coefficient.safetensors")
"""Names of the files, for whoever replaces them."""

NODAL = {"nodal": True}
"""What network.json has for a reference that is no expression: its values at the nodes are stored."""

PHYSICAL = {"exp": np.exp}
"""What the equation makes of a coefficient, by the prefix under which it is written."""


class NoResult(Exception):
    """A folder that does not hold a coefficient; says why."""


@dataclass(frozen=True, eq=False)
class Part:
    """One unknown, or the states of a parametric family."""

    name: str
    role: str
    prefix: str
    """See PHYSICAL; empty where the coefficient is itself the physical quantity."""
    space: CoefficientSpace
    nodal: np.ndarray | None
    """Values at all owned nodes, also where they are known; None of a family."""
    network: "Network | Phases | None" = None
    theta: np.ndarray = field(default_factory=lambda: np.empty(0))
    reference: Expression | np.ndarray | None = None
    """m_ref of the network, or its values at all owned nodes; None stands for zero."""
    by_network: bool = False
    """Whether the network is evaluated, rather than the finite-element function."""
    parameters: tuple[str, ...] = ()
    """Further inputs of a family's network, behind the coordinates."""


@dataclass(frozen=True, eq=False)
class Coefficient:
    """All unknowns of a run."""

    title: str
    """Name of the run."""
    parts: tuple[Part, ...]

    @property
    def domain(self) -> TaggedMesh:
        """The mesh."""
        return self.parts[0].space.domain

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns of points: coordinates, and of a family the parameters."""
        return ("x", "y", "z")[: self.domain.dimension] + self.parts[0].parameters

    def evaluate(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Values (n,) at points (n, inputs), the same on all ranks, by name: `m`, and `exp_m` and the like
        where the equation makes that of it. Collective; raises PointOutside on all ranks."""
        points = np.asarray(points, dtype=float).reshape(-1, len(self.inputs))
        values: dict[str, np.ndarray] = {}
        for part in self.parts:
            values[part.name] = _evaluated(part, points)
            if part.prefix:
                values[f"{part.prefix}_{part.name}"] = PHYSICAL[part.prefix](values[part.name])
        return values

    def with_values(self, values: np.ndarray) -> "Coefficient":
        """Other functions of the unknowns by their owned nodal values, of one unknown after the other, such
        as standard deviations: on the mesh, and zero where the coefficient is known."""
        own = joint_space([part.space for part in self.parts]).split(values)
        return Coefficient(
            self.title,
            tuple(
                Part(part.name, part.role, "", part.space, part.space.extended(rows)[0])
                for part, rows in zip(self.parts, own, strict=True)
            ),
        )

    def stacked(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Points (n, inputs) from columns by their names."""
        return np.column_stack([columns[name] for name in self.inputs])

    def modules(self) -> "dict[str, torch.nn.Module]":
        """The networks that are coefficients by themselves as torch modules, by the unknown's name.

        Raises ValueError where a reference is not a constant.
        """
        from app.network.module import Module

        found: dict[str, torch.nn.Module] = {}
        for part in self.parts:
            if part.network is None or not part.by_network:
                continue
            given = Expression(0.0) if part.reference is None else part.reference
            reference = given.constant if isinstance(given, Expression) else None
            if reference is None:
                raise ValueError(f"found a reference of {part.name} that varies, expected a constant one")
            found[part.name] = Module(part.network, part.theta, part.network.base_of(reference))
        return found

    def lattice(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes (n, dimension) and cells (cells, nodes of a cell) in VTK's order, and VTK's cell types; on
        one rank."""
        cells, kinds, nodes = vtk_mesh(self.domain.mesh)
        return nodes[:, : self.domain.dimension], cells.reshape(len(kinds), -1)[:, 1:], kinds

    def save(self, folder: Path, lost: Losses) -> None:
        """Write network.safetensors (of networks), coefficient.safetensors and network.json; collective."""
        mesh = stored(self.domain)
        arrays: dict[str, np.ndarray] = {}
        if mesh is not None:
            arrays |= {"nodes": mesh.nodes, "cells": mesh.cells}
        for part in self.parts:
            for name, values in ((part.name, part.nodal), (_reference_of(part.name), part.reference)):
                if isinstance(values, np.ndarray):
                    whole = _order(part.space).gathered(values)
                    if whole is not None:
                        arrays[name] = whole
        theta = {part.name: part.theta for part in self.parts if part.network is not None}
        contents: dict[str, Callable[[], bytes]] = {
            **({"network.safetensors": lambda: save(theta)} if theta else {}),
            "coefficient.safetensors": lambda: save({k: _plain(v) for k, v in arrays.items()}),
            "network.json": lambda: self._header(mesh),
        }
        for name, content in contents.items():
            path = folder / name
            lost.attempt(path, partial(on_root, self.domain.comm, partial(_write, path, content)))

    def _header(self, mesh: StoredMesh | None) -> bytes:
        """What network.json says; on rank 0."""
        assert mesh is not None
        told = {
            "format": FORMAT,
            "name": self.title,
            "mesh": {"cells": mesh.kind, "degree": mesh.degree},
            "unknowns": {part.name: _described(part) for part in self.parts},
        }
        return (json.dumps(told, indent=2) + "\n").encode()


def _write(path: Path, content: Callable[[], bytes]) -> None:
    with written(path) as part:
        part.write_bytes(content())


def read_coefficient(folder: Path, comm: MPI.Comm = MPI.COMM_SELF) -> Coefficient:
    """What `save` wrote, on any number of ranks; collective. Raises NoResult on all ranks."""
    told, theta, arrays = on_root(comm, lambda: _read(folder))
    mesh = None
    if comm.rank == 0:
        kind, degree = told["mesh"]["cells"], told["mesh"]["degree"]
        mesh = StoredMesh(arrays["nodes"], arrays["cells"], kind, degree)
    domain = restored(comm, mesh)
    parts = [_restored(name, own, domain, theta.get(name), arrays) for name, own in told["unknowns"].items()]
    return Coefficient(told["name"], tuple(parts))


def _read(folder: Path) -> tuple[Summary, dict[str, np.ndarray], dict[str, np.ndarray]]:
    path = folder / "network.json"
    try:
        told = json.loads(path.read_text())
        if told["format"] != FORMAT:
            raise NoResult(f"{path}: found format {told['format']}, expected {FORMAT}")
        networks = folder / "network.safetensors"
        theta = load(networks.read_bytes()) if networks.exists() else {}
        return told, theta, load((folder / "coefficient.safetensors").read_bytes())
    except OSError as error:
        name = Path(error.filename or path).name
        raise NoResult(f"{folder}: found no {name}, expected the results of a run") from None
    except (ValueError, KeyError, TypeError) as error:
        found = f"found a damaged coefficient ({error})"
        raise NoResult(f"{folder}: {found}, expected the results of a run") from None


def _restored(
    name: str,
    told: Json,
    domain: TaggedMesh,
    theta: np.ndarray | None,
    arrays: Mapping[str, np.ndarray],
) -> Part:
    space = CoefficientSpace(domain, told["degree"])
    nodal = None
    if told["nodal"]:
        nodal = _order(space).spread(arrays.get(name))
    network = None if theta is None else _network(told["network"])
    reference: Expression | np.ndarray | None = None
    if told["reference"] == NODAL:
        reference = _order(space).spread(arrays.get(_reference_of(name)))
    elif told["reference"] is not None:
        reference = Expression(told["reference"])
    return Part(
        name,
        told["role"],
        told["prefix"],
        space,
        nodal,
        network,
        np.empty(0) if theta is None else theta,
        reference,
        told["by_network"],
        tuple(told["parameters"]),
    )


def _network(told: Json) -> "Network | Phases":
    """At no nodes: it is evaluated at others."""
    from app.network import Network, Nodes, phases_of

    lower, upper = (np.array(corner) for corner in told["box"])
    nothing = np.empty(0)
    nodes = Nodes(np.empty((0, len(lower))), nothing, nothing, box=(lower, upper))
    return phases_of(told, nodes) if told.get("kind") == "phases" else Network.of(told, nodes)


def _described(part: Part) -> Summary:
    nodal = None if part.reference is None else NODAL
    return {
        "role": part.role,
        "prefix": part.prefix,
        "degree": part.space.degree,
        "nodal": part.nodal is not None,
        "by_network": part.by_network,
        "parameters": list(part.parameters),
        "reference": part.reference.text if isinstance(part.reference, Expression) else nodal,
        "network": None if part.network is None else part.network.described(),
    }


def _evaluated(part: Part, points: np.ndarray) -> np.ndarray:
    """Values at points that are the same on all ranks, alike on all of them."""
    space = part.space
    places = np.ascontiguousarray(points[:, : space.domain.dimension])
    if not len(places):
        return np.empty(0)
    matrix = point_matrix(space.domain, space.space, places)
    try:
        if not part.by_network:
            assert part.nodal is not None
            return np.concatenate(space.comm.allgather(multiply(matrix, part.nodal)))
        if isinstance(part.reference, np.ndarray):
            reference = np.concatenate(space.comm.allgather(multiply(matrix, part.reference)))
        else:
            given = Expression(0.0) if part.reference is None else part.reference
            reference = given.numpy(places)
    finally:
        matrix.destroy()
    network = part.network
    assert network is not None
    return network.at(network.nodes_at(points, reference)).values(part.theta)


def _reference_of(name: str) -> str:
    """By what the values of an unknown's reference at the nodes are stored; no unknown is called so."""
    return f"{name}.reference"


def _order(space: CoefficientSpace) -> NodeOrder:
    return NodeOrder(space.comm, space.everywhere_coordinates)


def _plain(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)
