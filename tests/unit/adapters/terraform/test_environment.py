from __future__ import annotations

from immtf.adapters.terraform.environment import child_environment


def test_options_are_left_out_and_named_and_the_rest_stays() -> None:
    given = {"PATH": "/bin", "TF_CLI_ARGS": "-x", "TF_CLI_ARGS_plan": "-y", "TF_CLI_CONFIG_FILE": "/rc", "TF_VAR_a": "1", "TF_INPUT": "1"}
    environment, left_out = child_environment(given)
    assert left_out == ("TF_CLI_ARGS", "TF_CLI_ARGS_plan")
    assert environment == {
        "PATH": "/bin",
        "TF_CLI_CONFIG_FILE": "/rc",
        "TF_VAR_a": "1",
        "TF_INPUT": "0",
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }
