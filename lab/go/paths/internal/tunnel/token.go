// Package tunnel is what the lab's edge and its cloudflared know of each other: the tunnel's token, the
// greeting before HTTP/2 begins, and the names of the headers after that.
package tunnel

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// Token opens a tunnel: Cloudflare's own form, base64 over JSON.
type Token struct {
	Account string `json:"a"`
	Tunnel  string `json:"t"`
	// In JSON a base64 string of its own.
	Secret []byte `json:"s"`
}

// ErrToken is what the real cloudflared says, so that the reader finds the same words.
var ErrToken = errors.New("Provided Tunnel token is not valid.")

// ParseToken reads a token; what is wrong with it is not said, since it is a secret.
func ParseToken(text string) (Token, error) {
	var token Token
	content, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || json.Unmarshal(content, &token) != nil {
		return Token{}, ErrToken
	}
	if token.Account == "" || token.Tunnel == "" || len(token.Secret) == 0 {
		return Token{}, ErrToken
	}
	return token, nil
}

// String is how a token is given to cloudflared.
func (t Token) String() string {
	content, err := json.Marshal(t)
	if err != nil {
		panic(err) // three strings
	}
	return base64.StdEncoding.EncodeToString(content)
}
