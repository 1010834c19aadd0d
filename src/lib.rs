//! homelab: bare metal to cluster.
