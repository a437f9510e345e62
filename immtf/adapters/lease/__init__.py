"""The lease: one run per block and environment, held in two places.

`local` is a lock on a file of this machine, which the kernel lets go of with its holder: it is always taken, and it is all there is
where the state is a local file. Where `backend` finds the state in S3, an object beside it holds the lease for all machines (`s3`):
made and changed with conditional writes only (`store`), taken (`taking`), renewed and given back. When it is lost, the run
makes no further change: see `immtf.run.fence`.
"""

from immtf.adapters.lease.local import LocalLease, held_lease, holder_of, lease_file

__all__ = ["LocalLease", "held_lease", "holder_of", "lease_file"]
