"""`immtf image block`: a block's own container image, made from immtf's."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - click calls with it

import rich_click as click

from immtf.cli.options import BLOCK, option
from immtf.errors import UsageError

BASE = "immtf:latest"


@click.command("block")
@BLOCK
@option("--tag", metavar="NAME:VERSION", help="What the image is called; without it BLOCK-block:VERSION.")
@option("--base", metavar="IMAGE", default=BASE, show_default=True, help="The image of immtf to make it from.")
@option("--force", is_flag=True, help="Let the tag go to this image where another one has it.")
@option("--print", "only_print", is_flag=True, help="Print the Dockerfile, and build nothing.")
def block_image(block: Path, tag: str | None, base: str, *, force: bool, only_print: bool) -> None:
    """Make a block's own container image: immtf's with the block in it, so that `docker run IMAGE upgrade` needs no argument.

    With the block come all modules that it refers to by relative paths. An image with the same tag and the same content is taken as it
    is; one with other content is left alone.
    """
    from immtf.adapters.docker.block_image import build, needed_by, pack, refuse_other
    from immtf.adapters.docker.connection import connect
    from immtf.adapters.docker.engine import DockerEngine
    from immtf.plan.block_image import IGNORED, default_tag, make_recipe
    from immtf.plan.config import load_block
    from immtf.plan.previous import is_reference

    loaded = load_block(block)
    recipe = make_recipe(loaded, base, needed_by(loaded))
    name = tag or default_tag(loaded)
    if not is_reference(name) or ":" not in name.rpartition("/")[2] or "@" in name:
        raise UsageError(f"{name!r} can't be the tag of an image", where="--tag", next=f"for example --tag {default_tag(loaded)}")
    if only_print:
        click.echo(f"# in {recipe.tree}: docker build --file - --tag {name} .")
        click.echo(f"# first into {recipe.tree / '.dockerignore'}, one a line, or states and keys are in the image: {IGNORED}")
        click.echo(recipe.dockerfile(), nl=False)
        return
    client = connect(os.environ)
    with DockerEngine(client) as engine:
        found = engine.image(base, progress=lambda text: click.echo(text, err=True))
        packed, digest, count = pack(recipe, found.image_id)
        with packed:
            there = refuse_other(client, name, digest, found.image_id, force=force)
            made = there or build(client, name, packed)
    done = "is there already" if there else "made"
    click.echo(f"{name} {done}: block {loaded.name} {loaded.version} on {base}, {count} files below {recipe.tree}")
    click.echo(f"{made}  block at {recipe.directory}; {', '.join(str(part.relative_to(recipe.tree)) for part in recipe.parts)}")
