// Package recurring says when jobs are due, for which volumes, and what they keep. Pure.
package recurring

import (
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"homelab.invalid/lab/longhorn/internal/api"
)

// Due is whether a turn of the schedule (UTC) lies after `last` and not after `now`.
func Due(schedule string, last, now time.Time) (bool, error) {
	parsed, err := cron.ParseStandard(schedule)
	if err != nil {
		return false, err
	}
	return !parsed.Next(last.UTC()).After(now.UTC()), nil
}

// Covers is whether a job works on a volume with these labels. Who names neither job nor group belongs to
// the group `default`.
func Covers(labels map[string]string, job string, groups []string) bool {
	named := false
	for label, value := range labels {
		if value != api.Enabled {
			continue
		}
		if name, found := strings.CutPrefix(label, api.PrefixJob); found {
			named = true
			if name == job {
				return true
			}
		}
		if group, found := strings.CutPrefix(label, api.PrefixGroup); found {
			named = true
			if slices.Contains(groups, group) {
				return true
			}
		}
	}
	return !named && slices.Contains(groups, "default")
}

// Item is a snapshot or a backup.
type Item struct {
	Name string
	// RFC 3339, UTC: they sort as texts.
	At string
}

// Expired gives all but the newest `retain` items.
func Expired(items []Item, retain int) []string {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, func(a, b Item) int {
		if order := strings.Compare(b.At, a.At); order != 0 {
			return order
		}
		return strings.Compare(b.Name, a.Name)
	})
	var names []string
	for _, item := range sorted[min(max(retain, 0), len(sorted)):] {
		names = append(names, item.Name)
	}
	return names
}

// Name gives what a job calls its snapshot or system backup: the first eight letters of its cron job's
// name, and something unique.
func Name(job, unique string) string {
	name := job + "-c"
	return strings.TrimRight(name[:min(8, len(name))], "-") + "-" + unique
}
