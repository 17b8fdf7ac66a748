package snapshot

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// install copies this program, in one piece or not at all, to where another image can run it.
func install(to string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("open the program: %w", err)
	}
	defer from.Close()
	unfinished := to + ".tmp"
	file, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	_, err = io.Copy(file, from)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(unfinished, to)
	}
	if err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	return nil
}
