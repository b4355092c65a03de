"""What surrounds the services: images, manifests, monitoring, and the programs that prepare them."""
