package plugin

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	refresh = 2 * time.Second
	// glance is how soon a terminal that has changed its size is drawn anew.
	glance = 200 * time.Millisecond
	// idle is how long a connection to a member is kept between two looks.
	idle = 10 * refresh
)

// Sequences of a terminal: another screen without a cursor, and back; home; clear the rest of a line, of the screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// watch looks again and again until ctx ends. On a terminal it draws in place, and leaves the last picture behind.
func (s *shared) watch(ctx context.Context, p picture, output string) error {
	scr, err := p(ctx)
	if err != nil {
		return err
	}
	if _, _, tty := terminal(s.Out); !tty || output == "json" || output == "yaml" {
		return s.append(ctx, p, scr, output)
	}
	_, _ = fmt.Fprint(s.Out, enterScreen)
	last, err := s.redraw(ctx, p, scr, output)
	_, _ = fmt.Fprint(s.Out, leaveScreen)
	if err != nil {
		return err
	}
	if err := s.print(last, output); err != nil {
		return err
	}
	return exitWith(last.health)
}

// append prints one picture after the other.
func (s *shared) append(ctx context.Context, p picture, scr screen, output string) error {
	ticks := s.Clock.NewTicker(refresh)
	defer ticks.Stop()
	for {
		if err := s.print(scr, output); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return exitWith(scr.health)
		case <-ticks.C():
		}
		next, err := p(ctx)
		switch {
		case ctx.Err() != nil:
			return exitWith(scr.health)
		case err != nil:
			return err
		}
		scr = next
		if _, err := fmt.Fprint(s.Out, separator(output)); err != nil {
			return err
		}
	}
}

func separator(output string) string {
	switch output {
	case "json":
		return ""
	case "yaml":
		return "---\n"
	}
	return "\n"
}

// redraw draws in place, and at once when the terminal has changed its size. A look that fails is shown below the last
// picture, and repeated.
func (s *shared) redraw(ctx context.Context, p picture, scr screen, output string) (screen, error) {
	looks, glances := s.Clock.NewTicker(refresh), s.Clock.NewTicker(glance)
	defer looks.Stop()
	defer glances.Stop()
	trouble := error(nil)
	for {
		text, err := s.render(scr, output)
		if err != nil {
			return scr, err
		}
		if trouble != nil {
			text += fmt.Sprintf("\ncannot look: %v\n", trouble)
		}
		width, height, _ := terminal(s.Out)
		if _, err := fmt.Fprint(s.Out, frame(text, height)); err != nil {
			return scr, err
		}
		if !s.wait(ctx, looks.C(), glances.C(), width, height) {
			return scr, nil
		}
		next, err := p(ctx)
		if ctx.Err() != nil {
			return scr, nil
		}
		if trouble = err; err == nil {
			scr = next
		}
	}
}

// wait waits for the next look or another size of the terminal; false when ctx has ended.
func (s *shared) wait(ctx context.Context, looks, glances <-chan time.Time, width, height int) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-looks:
			return true
		case <-glances:
			if w, h, _ := terminal(s.Out); w != width || h != height {
				return true
			}
		}
	}
}

// frame puts text over what is on the screen, as far as its height allows.
func frame(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 0 && len(lines) > height {
		lines = append(lines[:height-1], "…")
	}
	return home + strings.Join(lines, clearLine+"\n") + clearLine + clearBelow
}
