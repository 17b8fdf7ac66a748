package plugin

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progressLine tells how far something is: in place on a terminal, else only when there is something new to say.
type progressLine struct {
	to    io.Writer
	width int  // of the terminal, 0 if it is none
	keep  bool // every line stays
	last  string
}

func (s *shared) progressLine() *progressLine {
	width, _, _ := terminal(s.ErrOut)
	return &progressLine{to: s.ErrOut, width: width}
}

// say shows what is done now, with the figures that change all the time.
func (l *progressLine) say(what, figures string) {
	if l.width > 0 && !l.keep {
		line := strings.TrimSpace(what + "  " + figures)
		_, _ = fmt.Fprint(l.to, "\r"+cut(line, l.width-1)+clearLine)
		return
	}
	if what != l.last {
		_, _ = fmt.Fprintln(l.to, what)
	}
	l.last = what
}

// end takes the line off a terminal.
func (l *progressLine) end() {
	if l.width > 0 && !l.keep {
		_, _ = fmt.Fprint(l.to, "\r"+clearLine)
	}
}

const barWidth = 24

// bar is how much of a whole is done, how fast, and for how long it goes on.
func bar(done, whole int64, took time.Duration) string {
	speed := rate(done, took)
	if whole <= 0 {
		return fmt.Sprintf("%s  %s", binarySize(done), speed)
	}
	filled := int(min(done, whole) * barWidth / whole)
	left := ""
	if done > 0 && done < whole && took > 0 {
		rest := time.Duration(float64(took) * float64(whole-done) / float64(done))
		left = "  " + rest.Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("[%s%s] %4s  %s of %s  %s%s", strings.Repeat("#", filled), strings.Repeat("-", barWidth-filled),
		percent(done, whole), binarySize(done), binarySize(whole), speed, left)
}

func rate(done int64, took time.Duration) string {
	if took <= 0 {
		return "-"
	}
	return binarySize(int64(float64(done)/took.Seconds())) + "/s"
}
