// Package backup keeps backups in S3, below the folders of Longhorn's own backupstore.
package backup

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Target is where backups go: `s3://bucket@region/prefix/`.
type Target struct {
	Bucket string
	Region string
	Prefix string
}

// ParseTarget reads a target as Longhorn writes it.
func ParseTarget(text string) (Target, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return Target{}, err
	}
	if parsed.Scheme != "s3" {
		return Target{}, fmt.Errorf("driver %s is not supported: the stand-in knows s3 alone", parsed.Scheme)
	}
	target := Target{Bucket: parsed.Host, Prefix: strings.Trim(parsed.Path, "/")}
	// In a URL's own grammar the bucket stands where a user does.
	if parsed.User != nil {
		target.Bucket, target.Region = parsed.User.Username(), parsed.Host
	}
	if target.Bucket == "" || parsed.Path == "" {
		return Target{}, errors.New("invalid URL. Must be either s3://bucket@region/path/, or s3://bucket/path")
	}
	return target, nil
}

// String is the target as Longhorn writes it.
func (t Target) String() string {
	region := ""
	if t.Region != "" {
		region = "@" + t.Region
	}
	folder := ""
	if t.Prefix != "" {
		folder = t.Prefix + "/"
	}
	return fmt.Sprintf("s3://%s%s/%s", t.Bucket, region, folder)
}

// URL is a backup's own.
func (t Target) URL(volume, backup string) string {
	query := url.Values{"volume": {volume}, "backup": {backup}}
	return t.String() + "?" + query.Encode()
}

// ParseURL reads a backup's own URL.
func ParseURL(text string) (target Target, volume, backup string, err error) {
	place, query, _ := strings.Cut(text, "?")
	if target, err = ParseTarget(place); err != nil {
		return target, "", "", err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return target, "", "", err
	}
	volume, backup = values.Get("volume"), values.Get("backup")
	if volume == "" || backup == "" || strings.ContainsAny(volume+backup, "/\\") {
		return target, "", "", fmt.Errorf("%s names no volume and backup", text)
	}
	return target, volume, backup, nil
}

// folder is a volume's: two layers of its name's hash lie above it.
func (t Target) folder(volume string) string {
	sum := sha512.Sum512([]byte(volume))
	hash := hex.EncodeToString(sum[:])
	return path.Join(t.Prefix, "backupstore/volumes", hash[:2], hash[2:4], volume)
}

func (t Target) volumeConfig(volume string) string { return path.Join(t.folder(volume), "volume.cfg") }

func (t Target) config(volume, backup string) string {
	return path.Join(t.folder(volume), "backups", "backup_"+backup+".cfg")
}

// The stand-in's own: Longhorn cuts a volume into blocks.
func (t Target) archive(volume, backup string) string {
	return path.Join(t.folder(volume), "BackupFiles", backup+".tar.gz")
}
