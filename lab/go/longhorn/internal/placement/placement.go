// Package placement says where a volume's copies go. Pure.
package placement

import (
	"fmt"
	"slices"
	"strings"

	"homelab.invalid/lab/longhorn/internal/api"
)

// Limits are the settings that placing obeys, in percent.
type Limits struct {
	OverProvisioning int64
	MinimalAvailable int64
}

// Place is a disk of a node.
type Place struct {
	Node string
	Disk string
	UUID string
	Path string
}

// What Longhorn says of a copy that has no place.
const (
	NodesUnavailable = "nodes are unavailable"
	DiskUnavailable  = "disks are unavailable"
	NoStorage        = "insufficient storage"
)

// Fits is whether a disk takes another copy of a size in bytes; if not, why.
func Fits(size int64, disk api.Disk, status api.DiskStatus, limits Limits) (bool, string) {
	if status.Maximum <= 0 || status.Available <= 0 {
		return false, "its size is not known"
	}
	minimal := status.Maximum * limits.MinimalAvailable / 100
	if status.Available <= minimal {
		return false, fmt.Sprintf("%d bytes are available, %d are kept free", status.Available, minimal)
	}
	limit := (status.Maximum - disk.StorageReserved) * limits.OverProvisioning / 100
	if size+status.Scheduled > limit {
		return false, fmt.Sprintf("%d bytes would be scheduled, %d may be", size+status.Scheduled, limit)
	}
	return true, ""
}

// Choose gives places for as many more copies as asked, each on a node that holds none: first those with
// the least on them. Fewer come with why there are no more.
func Choose(nodes []api.Node, taken []string, count int, size int64, limits Limits) ([]Place, string) {
	type candidate struct {
		Place
		scheduled int64
	}
	var candidates []candidate
	reasons := map[string]bool{}
	for _, node := range nodes {
		if slices.Contains(taken, node.Name) {
			continue
		}
		if !node.Spec.AllowScheduling || !api.Holds(node.Status.Conditions, "Ready") || !api.Holds(node.Status.Conditions, "Schedulable") {
			reasons[NodesUnavailable] = true
			continue
		}
		var best *candidate
		for name, disk := range node.Spec.Disks {
			status, known := node.Status.Disks[name]
			if !known || !disk.AllowScheduling || !api.Holds(status.Conditions, "Ready") {
				reasons[DiskUnavailable] = true
				continue
			}
			if fits, _ := Fits(size, disk, status, limits); !fits {
				reasons[NoStorage] = true
				continue
			}
			found := candidate{Place{node.Name, name, status.UUID, disk.Path}, status.Scheduled}
			if best == nil || found.scheduled < best.scheduled || found.scheduled == best.scheduled && name < best.Disk {
				best = &found
			}
		}
		if best != nil {
			candidates = append(candidates, *best)
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		if a.scheduled != b.scheduled {
			if a.scheduled < b.scheduled {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Node, b.Node)
	})
	var places []Place
	for _, candidate := range candidates[:min(count, len(candidates))] {
		places = append(places, candidate.Place)
	}
	if len(places) == count {
		return places, ""
	}
	var said []string
	for _, reason := range []string{NoStorage, DiskUnavailable, NodesUnavailable} {
		if reasons[reason] {
			said = append(said, reason)
		}
	}
	if len(said) == 0 {
		said = []string{NodesUnavailable}
	}
	return places, strings.Join(said, "; ")
}
