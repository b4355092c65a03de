"""Pictures of the portal for the guide and the README: `make screenshots`."""
