"""immtf: rolling upgrades of clusters of stateful servers that Terraform manages."""

__version__ = "0.1.0"
