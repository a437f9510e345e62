"""Credentials of each kind reach immtf and Terraform in the container, by the very command that `immtf docker-args` prints.

Seen from outside, at an AWS that notes by which key a request is signed: `plan` asks EC2 for images by boto3, `status` has Terraform
look into its S3 backend first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.container.image import ROOT
from tests.container.recording import KEY, Recorded, recording
from tests.container.running import LIMIT_S, terraform_tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.docker

WORDS = {"plan": "ec2", "status": "s3"}
BACKEND = """terraform {
  backend "s3" {
    bucket                      = "states"
    key                         = "consul"
    endpoints                   = { s3 = "%s" }
    use_path_style              = true
    max_retries                 = 0
    skip_credentials_validation = true
    skip_requesting_account_id  = true
  }
}
"""


def run_both(recorded: Recorded, image: str, block: Path, variables: dict[str, str], home: Path) -> str:
    """Run the printed command for both words in a situation; return what was said."""
    said = ""
    foreign = ("AWS_", "IMMTF_", "TF_", "DOCKER_")
    place = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": recorded.endpoint, "AWS_MAX_ATTEMPTS": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment = kept | place | variables | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    for word in WORDS:
        args = [
            sys.executable,
            "-m",
            "immtf",
            "docker-args",
            "--container",
            image,
            "--block",
            str(block),
            "--volume",
            str(home / "kept"),
            word,
        ]
        printed = subprocess.run(args, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=True, cwd=block).stdout
        name = f"immtf-test-{uuid.uuid4().hex[:12]}"
        run = ["sh", "-c", printed.replace("docker run", f"docker run --name {name} --network host", 1)]
        try:
            done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        finally:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, timeout=LIMIT_S, check=False)
        assert done.returncode != 0, "an AWS that refuses every key was content"
        assert not any(secret in printed for secret in ("secret", "session")), "a secret stands in the command"
        said += done.stdout + done.stderr
    return said


@pytest.mark.parametrize("kind", ["environment", "files", "role of the machine", "role of the container"])
def test_who_knocks(image: str, tmp_path: Path, kind: str) -> None:
    block = terraform_tree(tmp_path) / "blocks/consul"
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / "kept").mkdir()
    with recording() as recorded:
        (block / "backend.tf").write_text(BACKEND % recorded.endpoint)
        variables = {
            "environment": {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"},
            "files": {"AWS_PROFILE": "rehearsal"},
            "role of the machine": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": recorded.endpoint},
            "role of the container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{recorded.endpoint}/container-role"},
        }[kind]
        if kind == "files":
            text = "[rehearsal]\naws_access_key_id = AKIAFILE\naws_secret_access_key = secret\naws_session_token = session\n"
            (home / ".aws/credentials").write_text(text)
        else:
            (home / ".aws").rmdir()
        said = run_both(recorded, image, block, variables, home)
    key = {"environment": "AKIAENV", "files": "AKIAFILE"}.get(kind, KEY["AccessKeyId"])
    assert {(key, service, "session") for service in WORDS.values()} == recorded.knocks, said
