"""The standard view of a run's fields in ParaView: what was recovered, the truth and the error side by side.

    pvpython docs/paraview/standard_view.py results/NAME/fields.pvd [PICTURE.png]

or, in ParaView, File > Load State. Recovery and truth share one scale, that of the error is centred at zero.
Of a run without a truth there is the standard deviation beside what was recovered. In three dimensions each
view has slices along the axes through the middle, and the surface halfway to the greatest value.
"""

import sys

from paraview import simple

SEQUENTIAL, DIVERGING = "Viridis (matplotlib)", "Cool to Warm"

RESOLUTION = (600, 640)
"""Pixels of a view in a picture."""


def main(fields, picture=None):
    """Open the fields, make the views and save a picture of them if one is asked for."""
    source = simple.PVDReader(FileName=fields)
    source.UpdatePipeline(max(source.TimestepValues) if len(source.TimestepValues) else 0.0)
    panels = panels_of(source)
    layout = simple.CreateLayout(name="Standard view")
    views, cell = [], 0
    for number, (name, scale, colours) in enumerate(panels):
        view = simple.CreateView("RenderView")
        view.Background, view.UseColorPaletteForBackground = [1.0, 1.0, 1.0], 0
        if number + 1 < len(panels):
            left = layout.SplitHorizontal(cell, 1.0 / (len(panels) - number))
            simple.AssignViewToLayout(view=view, layout=layout, hint=left)
            cell = left + 1
        else:
            simple.AssignViewToLayout(view=view, layout=layout, hint=cell)
        draw(source, view, name, scale, colours)
        views.append(view)
    for view in views[1:]:
        simple.AddCameraLink(views[0], view, f"camera {view.SMProxy.GetGlobalIDAsString()}")
    simple.Render(views[0])
    if picture:
        width, height = RESOLUTION
        simple.SaveScreenshot(picture, layout, ImageResolution=[width * len(panels), height])


def panels_of(source):
    """Fields that are shown, each with its least and greatest colour and its colours."""
    ranges = {array.Name: array.GetRange(0) for array in source.PointData}
    recovered = "m" if "m" in ranges else next(iter(ranges))
    told = [recovered, *(name for name in ("truth", "function", "solution") if name in ranges)]
    shared = min(ranges[name][0] for name in told), max(ranges[name][1] for name in told)
    panels = [(name, shared, SEQUENTIAL) for name in told]
    if "error" in ranges:
        bound = max(map(abs, ranges["error"])) or 1e-12
        panels.append(("error", (-bound, bound), DIVERGING))
    elif "std" in ranges:
        panels.append(("std", ranges["std"], SEQUENTIAL))
    return panels


def draw(source, view, name, scale, colours):
    """A field in a view with its colour bar."""
    lower, upper = source.GetDataInformation().GetBounds()[::2], source.GetDataInformation().GetBounds()[1::2]
    flat = upper[2] - lower[2] <= 0
    shown = [source] if flat else [*slices(source, lower, upper), surface(source, name, scale)]
    for one in shown:
        display = simple.Show(one, view)
        display.Representation = "Surface"
        simple.ColorBy(display, ("POINTS", name))
    lookup = simple.GetColorTransferFunction(name)
    lookup.ApplyPreset(colours, True)
    lookup.RescaleTransferFunction(*scale)
    bar = simple.GetScalarBar(lookup, view)
    bar.Title, bar.ComponentTitle, bar.Visibility = name, "", 1
    bar.TitleColor = bar.LabelColor = [0.0, 0.0, 0.0]
    view.AxesGrid.Visibility = 1
    for axis in "XYZ":
        setattr(view.AxesGrid, f"{axis}TitleColor", [0.0, 0.0, 0.0])
        setattr(view.AxesGrid, f"{axis}LabelColor", [0.0, 0.0, 0.0])
    if flat:
        view.InteractionMode = "2D"
    else:
        view.CameraPosition = [lower[i] + (2.5, -1.5, 1.5)[i] * (upper[i] - lower[i]) for i in range(3)]
        view.CameraFocalPoint = [0.5 * (lower[i] + upper[i]) for i in range(3)]
        view.CameraViewUp = [0.0, 0.0, 1.0]
    view.ResetCamera()


def slices(source, lower, upper):
    """Three of them through the middle."""
    told = []
    for axis in range(3):
        one = simple.Slice(Input=source)
        one.SliceType.Origin = [0.5 * (lower[i] + upper[i]) for i in range(3)]
        one.SliceType.Normal = [float(i == axis) for i in range(3)]
        told.append(one)
    return told


def surface(source, name, scale):
    """Where the field is halfway to its greatest value."""
    low, high = scale
    return simple.Contour(Input=source, ContourBy=["POINTS", name], Isosurfaces=[low + 0.75 * (high - low)])


if __name__ == "__main__":
    main(*sys.argv[1:])
