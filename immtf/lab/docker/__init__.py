"""Runtime `docker` of the lab: instances are containers, volumes are ext4 images on loop devices."""
