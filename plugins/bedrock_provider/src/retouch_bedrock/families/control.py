"""Control sketch and control structure: the picture gives the lines or the composition."""

from __future__ import annotations

from retouch_bedrock.families.stability import STYLED, service

CONTROL = service({**STYLED, "control_strength": None})
