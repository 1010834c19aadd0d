package nodepassword

import (
	"errors"
	"testing"
)

func TestOnlyTheSamePasswordMatchesItsHash(t *testing.T) {
	hash, err := Hash("00112233")
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(hash, "00112233"); err != nil {
		t.Error(err)
	}
	if err := Verify(hash, "00112234"); !errors.Is(err, ErrMismatch) {
		t.Errorf("another password: %v", err)
	}
	if err := Verify("$1:zz", "00112233"); err == nil || errors.Is(err, ErrMismatch) {
		t.Errorf("garbage: %v", err)
	}
	again, err := Hash("00112233")
	if err != nil || again == hash {
		t.Error("two hashes of one password are alike: no salt")
	}
}

func TestTheSecretIsNamedInLowerCase(t *testing.T) {
	if Name("K3s-Agent-1") != "k3s-agent-1.node-password.k3s" {
		t.Error(Name("K3s-Agent-1"))
	}
}
