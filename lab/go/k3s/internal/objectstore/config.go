// Package objectstore keeps snapshots in a bucket, with the client library that k3s itself uses.
package objectstore

import (
	"fmt"
	"strconv"
	"time"

	"homelab.invalid/lab/k3s/internal/settings"
)

// Config is where the bucket is and who asks for it.
type Config struct {
	Endpoint   string
	EndpointCA string
	SkipVerify bool
	Insecure   bool
	Bucket     string
	Lookup     string
	Region     string
	Folder     string
	AccessKey  string
	SecretKey  string
	Timeout    time.Duration
	Retention  int
	NodeName   string
}

// Read gives the settings of S3; nil where it is off. The retention is the local one unless said.
func Read(read *settings.Settings, retention int) (*Config, error) {
	if !read.On("etcd-s3") {
		return nil, nil
	}
	config := &Config{
		Endpoint:   read.Text("etcd-s3-endpoint", "s3.amazonaws.com"),
		EndpointCA: read.Text("etcd-s3-endpoint-ca", ""),
		SkipVerify: read.On("etcd-s3-skip-ssl-verify"),
		Insecure:   read.On("etcd-s3-insecure"),
		Bucket:     read.Text("etcd-s3-bucket", ""),
		Lookup:     read.Text("etcd-s3-bucket-lookup-type", "auto"),
		Region:     read.Text("etcd-s3-region", "us-east-1"),
		Folder:     read.Text("etcd-s3-folder", ""),
		AccessKey:  read.Text("etcd-s3-access-key", ""),
		SecretKey:  read.Text("etcd-s3-secret-key", ""),
		Retention:  retention,
	}
	var err error
	if config.Timeout, err = time.ParseDuration(read.Text("etcd-s3-timeout", "5m")); err != nil {
		return nil, fmt.Errorf("invalid value for flag -etcd-s3-timeout: %w", err)
	}
	if text := read.Text("etcd-s3-retention", ""); text != "" {
		if config.Retention, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("invalid value for flag -etcd-s3-retention: %w", err)
		}
	}
	return config, nil
}
