package recurring

import (
	"slices"
	"testing"
	"time"
)

func at(text string) time.Time {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return moment
}

func TestAJobIsDueOncePerTurnAndAfterADownTimeToo(t *testing.T) {
	due := func(last, now string) bool {
		due, err := Due("30 2 * * *", at(last), at(now))
		if err != nil {
			t.Fatal(err)
		}
		return due
	}
	if due("2026-11-28T02:30:00Z", "2026-11-29T02:29:59Z") {
		t.Fatal("before its turn")
	}
	if !due("2026-11-28T02:30:00Z", "2026-11-29T02:30:00Z") {
		t.Fatal("at its turn")
	}
	if due("2026-11-29T02:30:01Z", "2026-11-29T02:31:00Z") {
		t.Fatal("twice in one turn")
	}
	if !due("2026-11-20T02:30:00Z", "2026-11-29T12:00:00Z") {
		t.Fatal("its turn was missed")
	}
	if !due("2026-11-28T03:00:00+02:00", "2026-11-28T02:45:00Z") {
		t.Fatal("the schedule is UTC's")
	}
	if _, err := Due("nonsense", time.Now(), time.Now()); err == nil {
		t.Fatal("nonsense is no schedule")
	}
}

func TestAVolumeWithoutLabelsBelongsToTheDefaultGroup(t *testing.T) {
	if !Covers(nil, "daily", []string{"default"}) || Covers(nil, "daily", []string{"media"}) {
		t.Fatal("no labels")
	}
	grouped := map[string]string{"recurring-job-group.longhorn.io/media": "enabled"}
	if !Covers(grouped, "daily", []string{"media"}) || Covers(grouped, "daily", []string{"default"}) {
		t.Fatal("it has left the default group")
	}
	named := map[string]string{"recurring-job.longhorn.io/daily": "enabled", "app": "x"}
	if !Covers(named, "daily", nil) || Covers(named, "hourly", []string{"default"}) {
		t.Fatal("named")
	}
	off := map[string]string{"recurring-job.longhorn.io/daily": "disabled"}
	if Covers(off, "daily", nil) || !Covers(off, "daily", []string{"default"}) {
		t.Fatal("only what is enabled counts")
	}
}

func TestTheNewestAreKept(t *testing.T) {
	items := []Item{{"b", "2026-11-02T00:00:00Z"}, {"c", "2026-11-03T00:00:00Z"}, {"a", "2026-11-01T00:00:00Z"}}
	if got := Expired(items, 1); !slices.Equal(got, []string{"b", "a"}) {
		t.Fatalf("%v", got)
	}
	if got := Expired(items, 3); got != nil {
		t.Fatalf("%v", got)
	}
	if got := Expired(items, 0); len(got) != 3 {
		t.Fatalf("%v", got)
	}
}

func TestNamesStartAsTheirJobs(t *testing.T) {
	for job, want := range map[string]string{"daily": "daily-c-1", "hourly-snapshot": "hourly-s-1", "nightly-backup": "nightly-1"} {
		if got := Name(job, "1"); got != want {
			t.Errorf("%s: %s", job, got)
		}
	}
}
