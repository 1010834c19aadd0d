module homelab.invalid/lab/private

go 1.26.0
