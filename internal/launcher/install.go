package launcher

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Install copies the program at from to to, in one piece or not at all.
func Install(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open the launcher: %w", err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("create %s: %w", to, err)
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Close()); err == nil {
		err = os.Rename(to+unfinished, to)
	}
	if err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	return nil
}
