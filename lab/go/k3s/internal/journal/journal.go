// Package journal writes log lines in the form that k3s writes them (logrus' text form), since people
// and programs look for their texts.
package journal

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	lock   sync.Mutex
	output io.Writer = os.Stderr
)

// Infof logs at level info.
func Infof(format string, values ...any) { write("info", format, values) }

// Warnf logs at level warning.
func Warnf(format string, values ...any) { write("warning", format, values) }

// Errorf logs at level error.
func Errorf(format string, values ...any) { write("error", format, values) }

// Fatal logs an error and ends the process.
func Fatal(err error) {
	write("fatal", "%v", []any{err})
	os.Exit(1)
}

func write(level, format string, values []any) {
	message := strings.TrimRight(fmt.Sprintf(format, values...), "\n")
	line := fmt.Sprintf("time=%q level=%s msg=%s\n", time.Now().UTC().Format(time.RFC3339), level, strconv.Quote(message))
	lock.Lock()
	defer lock.Unlock()
	_, _ = io.WriteString(output, line)
}
