"""The rehearsal cloud: real Terraform, provider and servers; only the cloud's control plane is imitated."""
