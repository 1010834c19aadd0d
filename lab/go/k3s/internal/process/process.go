// Package process runs k3s's parts as children that never outlive it.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Group is the set of running parts. When one of them ends unasked, the group's context ends with that as
// its cause: systemd starts k3s again, as it does with the real one.
type Group struct {
	ctx      context.Context
	fail     context.CancelCauseFunc
	bin      string
	library  string
	starts   chan func()
	lock     sync.Mutex
	children []*Child
	stopping bool
}

// Child is one running part.
type Child struct {
	name    string
	command *exec.Cmd
	done    chan struct{}
}

// NewGroup takes the directory that the parts were unpacked to.
func NewGroup(ctx context.Context, bundle string) *Group {
	ctx, fail := context.WithCancelCause(ctx)
	group := &Group{
		ctx: ctx, fail: fail,
		bin:     filepath.Join(bundle, "bin"),
		library: filepath.Join(bundle, "lib"),
		starts:  make(chan func()),
	}
	go group.fork()
	return group
}

// The kernel sends the death signal when the *thread* that forked is gone, so all forks happen on one that
// stays.
func (g *Group) fork() {
	runtime.LockOSThread()
	for start := range g.starts {
		start()
	}
}

// Context ends when the group does.
func (g *Group) Context() context.Context { return g.ctx }

// Fail ends the group.
func (g *Group) Fail(err error) { g.fail(err) }

// Environment of the parts: their own directory first in PATH.
// systemd's socket is not for them: they would report themselves as the service.
func (g *Group) Environment(extra ...string) []string {
	inherited := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "NOTIFY_SOCKET=")
	})
	environment := append(inherited,
		"PATH="+g.bin+":"+os.Getenv("PATH")+":/usr/sbin:/usr/bin:/sbin:/bin",
		"LD_LIBRARY_PATH="+g.library)
	return append(environment, extra...)
}

// Binary is the path of a part.
func (g *Group) Binary(name string) string { return filepath.Join(g.bin, name) }

// Start runs a part until the group ends; its output goes to the writer.
func (g *Group) Start(output io.Writer, environment []string, name string, arguments ...string) (*Child, error) {
	command := exec.Command(g.Binary(name), arguments...)
	command.Args[0] = name
	command.Env = g.Environment(environment...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	child := &Child{name: name, command: command, done: make(chan struct{})}
	started := make(chan error)
	g.starts <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	g.lock.Lock()
	g.children = append(g.children, child)
	g.lock.Unlock()
	go g.watch(child)
	return child, nil
}

func (g *Group) watch(child *Child) {
	err := child.command.Wait()
	close(child.done)
	g.lock.Lock()
	stopping := g.stopping
	g.lock.Unlock()
	if stopping {
		return
	}
	if err == nil {
		err = errors.New("ended without an error")
	}
	g.fail(fmt.Errorf("%s exited: %w", child.name, err))
}

// Stop ends the parts, the last one started first, and waits for each: what uses the datastore goes before
// the datastore. Containers are nobody's children here and stay.
func (g *Group) Stop(patience time.Duration) {
	g.lock.Lock()
	g.stopping = true
	children := g.children
	g.lock.Unlock()
	for index := len(children) - 1; index >= 0; index-- {
		child := children[index]
		_ = child.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-child.done:
		case <-time.After(patience):
			_ = child.command.Process.Kill()
			<-child.done
		}
	}
}

// Run executes a part to its end and gives its output.
func (g *Group) Run(ctx context.Context, environment []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, g.Binary(name), arguments...)
	command.Env = g.Environment(environment...)
	output, err := command.CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("%s: %w: %s", name, err, output)
	}
	return string(output), nil
}
