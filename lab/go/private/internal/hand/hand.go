// Package hand takes connections that say first from whom they are: PROXY protocol, version 1.
package hand

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	// The longest line, by the protocol's own description.
	longest  = 107
	patience = 5 * time.Second
)

// Listener of such connections.
type Listener struct{ net.Listener }

// Accept doesn't wait for the line: the first read does.
func (l Listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: accepted}, nil
}

type connection struct {
	net.Conn
	once sync.Once
	from net.Addr
	err  error
}

func (c *connection) header() {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	c.from, c.err = Read(c.Conn)
	_ = c.SetReadDeadline(time.Time{})
}

func (c *connection) Read(into []byte) (int, error) {
	c.once.Do(c.header)
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(into)
}

func (c *connection) RemoteAddr() net.Addr {
	c.once.Do(c.header)
	if c.from == nil {
		return c.Conn.RemoteAddr()
	}
	return c.from
}

var errHeader = errors.New("the connection does not begin with a line of PROXY protocol")

// Read takes the line, byte by byte, and nothing of what comes after it; no address when it says UNKNOWN.
func Read(from io.Reader) (net.Addr, error) {
	var line []byte
	for one := make([]byte, 1); !bytes.HasSuffix(line, []byte("\r\n")); line = append(line, one[0]) {
		if len(line) == longest {
			return nil, errHeader
		}
		if _, err := io.ReadFull(from, one); err != nil {
			return nil, err
		}
	}
	words := bytes.Fields(line)
	switch {
	case len(words) >= 2 && string(words[0]) == "PROXY" && string(words[1]) == "UNKNOWN":
		return nil, nil
	case len(words) != 6 || string(words[0]) != "PROXY":
		return nil, errHeader
	}
	address, err := netip.ParseAddr(string(words[2]))
	if err != nil {
		return nil, errHeader
	}
	port, err := strconv.ParseUint(string(words[4]), 10, 16)
	if err != nil {
		return nil, errHeader
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, uint16(port))), nil
}
