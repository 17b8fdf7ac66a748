package plugin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	apiduration "k8s.io/apimachinery/pkg/util/duration"
)

// paint is how a text looks on a terminal; the zero paint is plain.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
)

// page is what is rendered for: its width in columns, 0 for no limit, and whether it shows colours and all there is.
type page struct {
	width  int
	colour bool
	wide   bool
}

func (p page) paint(text string, with paint) string {
	if !p.colour || with == plain || text == "" {
		return text
	}
	return "\x1b[" + string(with) + "m" + text + "\x1b[0m"
}

// margin is where values begin.
const margin = 11

// field is a line that starts with what it is about. Long values go on below their start.
func (p page) field(name, value string, with paint) string {
	lines := wrap(value, p.width-margin)
	for i := range lines {
		lines[i] = p.paint(lines[i], with)
	}
	head := p.paint(name, bold) + strings.Repeat(" ", max(margin-len(name), 1))
	return head + strings.Join(lines, "\n"+strings.Repeat(" ", margin)) + "\n"
}

// wrap breaks a text between words. A word that is longer than the width stays whole.
func wrap(text string, width int) []string {
	if width < 1 || length(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case length(line)+1+length(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

func length(text string) int { return utf8.RuneCountInString(text) }

// cut shortens a text to at most width characters.
func cut(text string, width int) string {
	if length(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// binarySize writes a size with three digits or so, such as 412 MiB.
func binarySize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(n), 0
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	if unit > 0 && size < 10 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", size), ".0") + " " + units[unit]
	}
	return fmt.Sprintf("%.0f %s", size, units[unit])
}

// percent is part of whole, rounded down.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", part*100/whole)
}

// grouped writes a number with separators between thousands.
func grouped[T int | int64 | uint64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// duration writes seconds as kubectl does: 12s, 4m30s, 3h.
func duration(seconds int64) string {
	return apiduration.HumanDuration(time.Duration(seconds) * time.Second)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func plural(n int, one string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %ss", n, one)
}
