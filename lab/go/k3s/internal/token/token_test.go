package token

import (
	"strings"
	"testing"
)

var hash = strings.Repeat("ab", 32)

func TestEachFormOfATokenIsRead(t *testing.T) {
	for text, wanted := range map[string]Token{
		"secret":                                   {Password: "secret"},
		"K10" + hash + "::server:secret":           {Hash: hash, User: "server", Password: "secret"},
		"K10" + hash + "::node:with:colon":         {Hash: hash, User: "node", Password: "with:colon"},
		"K10::node:secret":                         {User: "node", Password: "secret"},
		"abcdef.0123456789abcdef":                  {Bootstrap: "abcdef.0123456789abcdef"},
		"K10" + hash + "::abcdef.0123456789abcdef": {Hash: hash, Bootstrap: "abcdef.0123456789abcdef"},
	} {
		found, err := Parse(text)
		if err != nil || found != wanted {
			t.Errorf("%s: %+v, %v", text, found, err)
		}
	}
}

func TestAMalformedTokenIsRefusedWithK3sOwnText(t *testing.T) {
	for text, wanted := range map[string]string{
		"":                         "token must not be empty",
		"K10abc::server:secret":    "invalid token CA hash length",
		"K10" + hash + "::nothing": "invalid token format",
		"K10" + hash:               "invalid token format",
	} {
		if _, err := Parse(text); err == nil || err.Error() != wanted {
			t.Errorf("%s: %v", text, err)
		}
	}
}
