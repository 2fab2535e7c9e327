"""Ray: joining a cluster, the actors that hold scenes and evaluate setups, pools, metrics."""
