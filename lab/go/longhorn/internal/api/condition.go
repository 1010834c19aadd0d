package api

import "time"

// Now is the moment as Longhorn writes it.
func Now() string { return time.Now().UTC().Format(time.RFC3339) }

// Truth is a condition's status.
func Truth(holds bool) string {
	if holds {
		return "True"
	}
	return "False"
}

// With gives the conditions with one of them changed. The time of its last change stays as it is for as
// long as its status does.
func With(conditions []Condition, changed Condition) []Condition {
	changed.LastTransitionTime = Now()
	result := make([]Condition, 0, len(conditions)+1)
	found := false
	for _, condition := range conditions {
		if condition.Type == changed.Type {
			found = true
			if condition.Status == changed.Status {
				changed.LastTransitionTime = condition.LastTransitionTime
			}
			condition = changed
		}
		result = append(result, condition)
	}
	if !found {
		result = append(result, changed)
	}
	return result
}

// Holds is whether a condition is there and true.
func Holds(conditions []Condition, kind string) bool {
	for _, condition := range conditions {
		if condition.Type == kind {
			return condition.Status == "True"
		}
	}
	return false
}
