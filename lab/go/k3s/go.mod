module homelab.invalid/lab/k3s

go 1.26.0

require (
	github.com/klauspost/compress v1.18.6
	go.yaml.in/yaml/v3 v3.0.4
	golang.org/x/crypto v0.53.0
	golang.org/x/sys v0.46.0
)
