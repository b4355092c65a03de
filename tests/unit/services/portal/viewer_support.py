"""Frames as the services give them to the viewer: values, what is told of them, and their own picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.dicom.render.frame import Rendering, draw_frame
from libs.dicom.render.transform import Window
from libs.dicom.render.values import frame_values
from libs.dicom.stack.instances import describe
from tests.unit.libs.dicom.pixel_support import sealed
from tests.unit.libs.dicom.test_values import opened

MOST = 1 << 28


@dataclass(frozen=True)
class Served:
    """One frame. `info`: what the stack tells of it."""

    data: bytes
    frame: int
    info: dict[str, Any]
    values: bytes

    def picture(
        self, window: dict[str, Any] | None, *, invert: bool = False, side: int | None = None
    ) -> NDArray[np.uint8]:
        """RGB as the services draw it without loss; `window` as the viewer has it, None: the header's."""
        view: Any = None
        if window is not None:
            named = (
                Window(window["center"], window["width"], window["function"]) if "center" in window else "lut"
            )
            view = named
        stream, image = opened(self.data)
        rendering = Rendering(view=view, invert=invert, side=side)
        return np.asarray(draw_frame(stream, image, self.frame, rendering, MOST).convert("RGB"))


def served(data: bytes, frame: int = 0) -> Served:
    """Read a file as the services do."""
    stream, image = opened(data)
    found = sealed(data)
    syntax = found.transfer_syntax_uid
    described = describe(found.data_set, sop_class_uid=None, transfer_syntax_uid=syntax)
    told = described.to_json()
    if described.table is not None:
        item = image.attributes.item("VOILUTSequence")
        assert item is not None
        told["voi_lut"] = described.table.of(item.raw("LUTData"))
    per_frame = told.pop("per_frame") or [{}]
    own = per_frame[frame] if frame < len(per_frame) else {}
    info = {**told, "range": None, **own, "modality": image.attributes.text("Modality")}
    return Served(data, frame, info, frame_values(stream, image, frame, MOST))
