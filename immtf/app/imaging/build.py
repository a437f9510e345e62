"""The use case `image build`: nothing where the image is there, else Packer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.app.closing import Outcome
from immtf.errors import ImmtfError
from immtf.model.events import Noted, StageFinished, StageStarted, StepWaited
from immtf.plan.building import already, described, next_version
from immtf.plan.imaging import life

if TYPE_CHECKING:
    from immtf.app.imaging.session import ImageSession
    from immtf.model.imaging import Recipe
    from immtf.run.image_ports import Builder


def build(session: ImageSession, recipe: Recipe, builder: Builder, *, limit_s: float) -> Outcome:
    """Build an image, unless the one that would come of it is there; without a version it gets the next one."""
    known = session.store.images(recipe.family)
    there = already(known, recipe)
    if there is not None:
        session.tell(Noted("info", f"nothing is built: {described(there)}, from this very template; it is {life(there).value}"))
        return Outcome("nothing_to_do")
    recipe = recipe if recipe.version else replace(recipe, version=next_version(known, recipe.family))
    clock, start = session.clock, session.clock.monotonic()
    session.tell(StageStarted("build", f"{recipe.family} {recipe.version} from {recipe.directory}, revision {recipe.revision}"))

    def listen(how: str, text: str) -> None:
        elapsed = round(clock.monotonic() - start, 3)
        session.tell(Noted("info", f"packer: {text}") if how == "say" else StepWaited("", "Packer", text, elapsed, limit_s))

    image_id = builder.build(recipe, listen, session.signals.is_set)
    _confirm(session, image_id, recipe)
    session.tell(StageFinished("build", round(clock.monotonic() - start, 3)))
    verify = f"`immtf image verify {image_id} --family {recipe.family}`"
    session.tell(
        Noted("info", session.spelled(f"{image_id} is {recipe.family} {recipe.version}, built and not verified: {verify} proves it"))
    )
    return Outcome()


def _confirm(session: ImageSession, image_id: str, recipe: Recipe) -> None:
    """See that the image is there with the tags that it is found by; an image without them would be nobody's."""
    image = session.store.image(image_id)
    if image is None or (image.family, image.version) != (recipe.family, recipe.version):
        has = f"family `{image.family}`, version `{image.version}`" if image else "it can't be seen"
        what = f"{image_id} was built and has not the tags it should have: {has}"
        raise ImmtfError(what, next="see packer/README.md for what a template's tags have to be; remove the image by hand")
