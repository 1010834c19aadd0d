module homelab.invalid/lab/longhorn

go 1.26.0
