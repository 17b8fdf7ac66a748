// Command broken is an etcd that works on no data, and ends whenever there are some: what a bad build of a new version may be like.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const whole = "/usr/local/bin/etcd.real"

func main() {
	for _, arg := range os.Args[1:] {
		dir, ok := strings.CutPrefix(arg, "--data-dir=")
		if _, err := os.Stat(filepath.Join(dir, "member")); ok && err == nil {
			fmt.Fprintln(os.Stderr, `{"level":"fatal","msg":"this build does not take any data"}`)
			os.Exit(1)
		}
	}
	fmt.Fprintln(os.Stderr, syscall.Exec(whole, os.Args, os.Environ()))
	os.Exit(1)
}
