module homelab.invalid/lab/pause

go 1.24
