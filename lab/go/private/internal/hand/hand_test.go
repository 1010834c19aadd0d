package hand

import (
	"io"
	"strings"
	"testing"
)

func TestTheLineSaysFromWhomAndTheRestIsLeft(t *testing.T) {
	stream := strings.NewReader("PROXY TCP4 100.64.0.1 100.64.0.9 51000 443\r\nrest")
	from, err := Read(stream)
	if err != nil || from.String() != "100.64.0.1:51000" {
		t.Fatalf("%v, %v", from, err)
	}
	if rest, _ := io.ReadAll(stream); string(rest) != "rest" {
		t.Errorf("%q", rest)
	}
	if from, err := Read(strings.NewReader("PROXY TCP6 fd7a:115c:a1e0::1 fd7a:115c:a1e0::9 1 443\r\n")); err != nil || from.String() != "[fd7a:115c:a1e0::1]:1" {
		t.Errorf("%v, %v", from, err)
	}
	if from, err := Read(strings.NewReader("PROXY UNKNOWN\r\n")); err != nil || from != nil {
		t.Errorf("%v, %v", from, err)
	}
}

func TestWhatDoesNotBeginSoIsRefused(t *testing.T) {
	for _, wrong := range []string{
		"", "GET / HTTP/1.1\r\n", "PROXX TCP4 100.64.0.1 100.64.0.9 51000 443\r\n", "PROXY TCP4 nowhere 100.64.0.9 51000 443\r\n", "PROXY TCP4 100.64.0.1 100.64.0.9 port 443\r\n",
		strings.Repeat("x", 200),
	} {
		if _, err := Read(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
}
