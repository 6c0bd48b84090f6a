"""Kubernetes: manifests of jobs, and what a container does before it trains."""
