"""`immtf image build|verify|promote|list|gc`: machine images on their way from a template to the blocks that run them.

`immtf image block` makes another sort of image, a block's own container (`block_image`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.cli.block_image import block_image
from immtf.cli.imaging import on_images, pairs, run
from immtf.cli.options import JUNIT, option
from immtf.errors import LabFailed, ToolMissing, UsageError

if TYPE_CHECKING:
    from immtf.app.imaging.verify import Wish
    from immtf.cli.imaging import Scene

POLL = {"AWS_POLL_DELAY_SECONDS": "1"}
VERIFY = (
    option(
        "--tests", type=click.Path(path_type=Path), metavar="PATH", help="testinfra files that have to pass on an instance of the image."
    ),
    option("--mount", metavar="PATH", help="Where the image's data volume belongs. Without it that of the --block."),
    option("--device", default="/dev/xvdf", metavar="DEVICE", help="The device that the volume is attached as."),
    option("--subnet", metavar="ID", help="Where the trial stands; without it in the default network."),
    option("--instance-type", default="t3.small", metavar="TYPE", help="The trial's instance type."),
    option("--instance-profile", "profile", metavar="NAME", help="The trial's instance profile, which lets Systems Manager in."),
    option("--user-data", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="User data for the trial's instances."),
    option("--boot-limit", type=click.FloatRange(min=1), default=600.0, metavar="SECONDS", help="How long an instance may take to boot."),
    option(
        "--mount-limit", type=click.FloatRange(min=1), default=180.0, metavar="SECONDS", help="How long the image may take for a volume."
    ),
    option(
        "--calm",
        type=click.FloatRange(min=0.5),
        default=5.0,
        metavar="SECONDS",
        help="How long the image is watched each time for what it must not do.",
    ),
    option("--checks-limit", type=click.FloatRange(min=1), default=300.0, metavar="SECONDS", help="How long until the tests have to pass."),
    option("--keep", is_flag=True, help="Keep the image although it failed, for a look at it."),
    JUNIT,
)


@click.group()
def image() -> None:
    """Build machine images, prove them, let them out, and clear old ones away; and make a block's own container image."""


image.add_command(block_image)


@image.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@option("--version", metavar="VERSION", help="The image's version; without it the next one of its family.")
@option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable for Packer. May be repeated.")
@option("--allow-dirty", is_flag=True, help="Build although files of the template differ from their commit; the revision says so.")
@option("--limit", type=click.FloatRange(min=1), default=3600.0, metavar="SECONDS", help="How long Packer may take.")
@on_images()
def build(directory: Path, version: str | None, variables: tuple[str, ...], limit: float, allow_dirty: bool, **arguments: Any) -> int:
    """Build the image of a Packer template's DIRECTORY, unless the same one is there already."""
    from immtf.adapters.templates import counted_variables, from_here, revision, template_files
    from immtf.app.imaging import build as use
    from immtf.model.imaging import Recipe
    from immtf.plan.building import template_digest

    given = from_here(pairs(variables), Path.cwd())
    family = arguments["family"] = arguments["family"] or directory.resolve().name
    digest = template_digest(template_files(directory), counted_variables(given))
    commit = revision(directory, os.environ, allow_dirty=allow_dirty)
    recipe = Recipe(directory=directory.resolve(), family=family, version=version or "", template=digest, revision=commit, variables=given)
    return run(
        "image build", version or "", arguments, lambda scene: use.build(scene.session, recipe, _packer(scene, limit), limit_s=limit)
    )


@image.command()
@click.argument("wanted", metavar="AMI|VERSION")
@on_images(*VERIFY)
def verify(wanted: str, **arguments: Any) -> int:
    """Boot an image in a place that is thrown away, prove it, and tag it verified; one that fails is removed.

    Exit code 20 where it fails.
    """
    from immtf.app.imaging import verify as use

    names = (
        "tests",
        "mount",
        "device",
        "subnet",
        "instance_type",
        "profile",
        "user_data",
        "keep",
        "boot_limit",
        "calm",
        "mount_limit",
        "checks_limit",
    )
    said = {name: arguments.pop(name) for name in names}
    return run("image verify", wanted, arguments, lambda scene: use.verify(scene.session, wanted, scene.family, _wish(scene, said)))


@image.command()
@click.argument("wanted", metavar="AMI|VERSION")
@on_images()
def promote(wanted: str, **arguments: Any) -> int:
    """Let a verified image out: blocks take it by its version from now on. Exit code 20 where it is not verified."""
    from immtf.app.imaging import shelf as use

    return run("image promote", wanted, arguments, lambda scene: use.promote(scene.session, wanted, scene.family))


@image.command("list")
@on_images()
def listing(**arguments: Any) -> int:
    """Show the images, how far each has come, and what uses it."""
    from immtf.app.imaging import shelf as use

    return run("image list", "", arguments, lambda scene: use.listing(scene.session, scene.family))


@image.command()
@option("--versions", type=click.IntRange(min=2), default=3, help="How many promoted versions stay.")
@option("--candidate-days", type=click.FloatRange(min=0), default=14.0, metavar="DAYS", help="How long one that is not promoted stays.")
@option("--keep-image", "named", multiple=True, metavar="AMI|VERSION", help="An image that stays whatever else holds. May be repeated.")
@option(
    "--state",
    "states",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A Terraform state (`terraform state pull`) whose images stay. May be repeated.",
)
@on_images(option("--yes", is_flag=True, help="Remove what may go; without it nothing is touched."))
def gc(versions: int, candidate_days: float, named: tuple[str, ...], states: tuple[Path, ...], **arguments: Any) -> int:
    """Show which images may go, and why each other one stays; with --yes remove them, with their snapshots."""
    from immtf.app.imaging import shelf as use
    from immtf.plan.collecting import KeepRules

    rules, sure = KeepRules(versions, candidate_days), arguments["yes"]

    def body(scene: Scene) -> Any:
        store, home = scene.session.store, scene.session.target.home
        shown = use.shown_uses((*states, *use.kept_states(home)), named, store.images(scene.family))
        return use.collect(scene.session, scene.family, rules, shown, remove=sure)

    return run("image gc", "", arguments, body)


def _packer(scene: Scene, limit_s: float) -> Any:
    """Return Packer for this place. In a lab its endpoint is the lab's, whose instances have to be machines that SSH reaches."""
    from immtf.adapters.packer import Packer
    from immtf.adapters.trial import Ec2Trial

    target, lab = scene.session.target, scene.lab
    if lab is not None and lab.runtime != "docker":
        raise LabFailed(
            "Packer needs instances that boot and take SSH, and this lab's are processes",
            where=lab.endpoint,
            next="use a lab of containers: --lab --lab-runtime docker, under a --lab-name of its own",
        )
    program = os.environ.get("IMMTF_PACKER") or shutil.which("packer", path=target.process.get("PATH"))
    if not program:
        raise ToolMissing("there is no `packer` on the path", next="install Packer 1.6.6 or newer, or name it in IMMTF_PACKER")
    place: dict[str, str] = {}
    if lab is not None:  # its default network is none that instances could have an address in
        ground = Ec2Trial(scene.session.aws).lab_ground(lab.cidr)
        place = {"endpoint": lab.endpoint, "vpc_id": ground.vpc_id, "subnet_id": ground.subnet_id}
    region = target.process.get("AWS_REGION") or target.process.get("AWS_DEFAULT_REGION")
    region = lab.region if lab else region
    place |= {"region": region} if region else {}
    environment = {**target.process, **(POLL if lab else {})}
    return Packer(program, environment, place, target.runs / scene.session.run_id, limit_s)


def _wish(scene: Scene, said: dict[str, Any]) -> Wish:
    from immtf.app.imaging.verify import Wish
    from immtf.model.imaging import TrialRules

    rules = TrialRules(
        mount=said["mount"] or _mount(scene),
        device=said["device"],
        boot_s=said["boot_limit"],
        mount_s=said["mount_limit"],
        checks_s=said["checks_limit"],
        calm_s=said["calm"],
    )
    return Wish(
        rules=rules,
        tests=said["tests"],
        keep=said["keep"],
        subnet=said["subnet"] or "",
        network=scene.lab.cidr if scene.lab else "",
        instance_type=said["instance_type"],
        profile=said["profile"] or "",
        user_data=_text(said["user_data"]),
    )


def _mount(scene: Scene) -> str:
    """Return where the block's nodes have their first data volume; "" where no block is named, or it has none."""
    clusters = scene.block.clusters.values() if scene.block else ()
    return next((volume.mount for cluster in clusters for volume in cluster.volumes.values()), "")


def _text(path: Path | None) -> str:
    try:
        return path.read_text() if path else ""
    except (OSError, ValueError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path), next="give a text file") from error
