"""Electrical tomography: forward map, contacts, sensitivities, wave numbers."""

import app.wheel  # noqa: F401

# isort: split
from app.electrical.contacts import Contacts, NoContact
from app.electrical.model import BlindReading, ElectricalModel
from app.electrical.survey import Survey, read_survey
from app.electrical.wave_numbers import IN_THE_MESH, WaveNumbers, across_the_section

__all__ = [
    "IN_THE_MESH",
    "BlindReading",
    "Contacts",
    "ElectricalModel",
    "NoContact",
    "Survey",
    "WaveNumbers",
    "across_the_section",
    "read_survey",
]
