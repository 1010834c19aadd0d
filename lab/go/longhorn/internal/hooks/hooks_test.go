package hooks

import "testing"

func TestOneMinorVersionAtATimeAndNeverBack(t *testing.T) {
	for name, one := range map[string]struct {
		from, to string
		fine     bool
	}{
		"a first install":     {"", "v1.12.1", true},
		"the same":            {"v1.12.1", "v1.12.1", true},
		"a patch":             {"v1.12.0", "v1.12.1", true},
		"the next minor":      {"v1.11.9", "v1.12.1", true},
		"a minor is left out": {"v1.10.2", "v1.12.1", false},
		"back by a patch":     {"v1.12.2", "v1.12.1", false},
		"back by a minor":     {"v1.13.0", "v1.12.1", false},
		"another major":       {"v2.0.0", "v1.12.1", false},
		"no version":          {"latest", "v1.12.1", false},
	} {
		if err := CheckUpgrade(one.from, one.to); (err == nil) != one.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}
