"""Readers: tables, electrode files and fields to readings with places, values, noise and times."""

from app.data.fields import read_field
from app.data.points import PointData, read_averages, read_parts, read_points, read_variances
from app.data.readings import ElectrodeReadings, read_readings
from app.data.samples import Samples, read_samples

__all__ = [
    "ElectrodeReadings",
    "PointData",
    "Samples",
    "read_averages",
    "read_field",
    "read_parts",
    "read_points",
    "read_readings",
    "read_samples",
    "read_variances",
]
