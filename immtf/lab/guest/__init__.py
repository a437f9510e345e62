"""What runs inside an instance of the runtime `process`: a small init and its shims; standard library only, quick to start."""
