"""The use cases on images: built, verified, promoted, listed, and cleared away."""
