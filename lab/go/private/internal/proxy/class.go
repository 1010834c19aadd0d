package proxy

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// What the real operator refuses in a ProxyClass, as far as the stand-in reads it.
func (c ProxyClass) fault() string {
	for _, one := range c.Spec.StatefulSet.Pod.Container.Env {
		switch {
		case !variable.MatchString(one.Name):
			return fmt.Sprintf("invalid tailscaleContainer env: %q is no name of a variable", one.Name)
		case strings.HasPrefix(one.Name, "TS_") && !strings.HasPrefix(one.Name, "TS_DEBUG_"):
			return fmt.Sprintf("tailscaleContainer env %s is the operator's own", one.Name)
		}
	}
	return ""
}

// The condition that is to be written; nothing where it is there.
func (c ProxyClass) judge() *Condition {
	made := Condition{
		Type: Ready, Status: "True", Reason: "ProxyClassValid", Message: "ProxyClassValid",
		ObservedGeneration: c.Metadata.Generation, LastTransitionTime: time.Now().UTC().Format(time.RFC3339),
	}
	if fault := c.fault(); fault != "" {
		made.Status, made.Reason, made.Message = "False", "ProxyClassInvalid", "ProxyClass is not valid: "+fault
	}
	for _, found := range c.Status.Conditions {
		if found.Type != Ready {
			continue
		}
		if found.Status == made.Status {
			made.LastTransitionTime = found.LastTransitionTime
		}
		if found == made {
			return nil
		}
	}
	return &made
}

// Usable tells whether the condition says so of this very generation.
func (c ProxyClass) usable() bool {
	for _, found := range c.Status.Conditions {
		if found.Type == Ready {
			return found.Status == "True" && found.ObservedGeneration == c.Metadata.Generation
		}
	}
	return false
}
