package plugin

import "strings"

// column of a table. On a page that is too narrow, columns with the highest spare go first; those with spare 0 stay.
type column struct {
	head  string
	right bool // numbers line up at their ends
	spare int
}

type cell struct {
	text  string
	paint paint
}

type table struct {
	columns []column
	rows    [][]cell
	fold    bool // the last column is broken into lines where it would be cut
}

const (
	gap   = 2  // spaces between columns
	least = 24 // width that the last column can do with
)

func (t *table) add(row ...cell) { t.rows = append(t.rows, row) }

// render lays the table out. On a narrow page its last column gets less room than it asks for; what does not fit then
// costs spare columns.
func (t *table) render(p page) string {
	widths := t.widths()
	for p.width > 0 && excess(widths, p) > 0 && t.drop() {
		widths = t.widths()
	}
	if over := total(widths) - p.width; p.width > 0 && over > 0 {
		last := len(widths) - 1
		widths[last] = max(widths[last]-over, least)
	}
	var out strings.Builder
	heads := make([]cell, len(t.columns))
	for i, c := range t.columns {
		heads[i] = cell{c.head, bold}
	}
	t.line(&out, p, widths, heads)
	for _, row := range t.rows {
		t.line(&out, p, widths, row)
	}
	return out.String()
}

func (t *table) line(to *strings.Builder, p page, widths []int, row []cell) {
	var out strings.Builder
	var below []string
	for i, c := range row {
		text := cut(c.text, widths[i])
		if t.fold && i == len(row)-1 {
			lines := wrap(c.text, widths[i])
			text, below = lines[0], lines[1:]
		}
		padding := strings.Repeat(" ", max(widths[i]-length(text), 0))
		switch {
		case t.columns[i].right:
			out.WriteString(padding + p.paint(text, c.paint))
		case i == len(row)-1:
			out.WriteString(p.paint(text, c.paint))
		default:
			out.WriteString(p.paint(text, c.paint) + padding)
		}
		if i < len(row)-1 {
			out.WriteString(strings.Repeat(" ", gap))
		}
	}
	to.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	for _, text := range below {
		to.WriteString(strings.Repeat(" ", total(widths)-widths[len(widths)-1]) + text + "\n")
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = length(c.head)
		for _, row := range t.rows {
			widths[i] = max(widths[i], length(row[i].text))
		}
	}
	return widths
}

// excess is by how much the table is too wide for the page, with no more than the least for its last column.
func excess(widths []int, p page) int {
	last := widths[len(widths)-1]
	return total(widths) - last + min(last, least) - p.width
}

func total(widths []int) int {
	sum := gap * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// drop takes out the column that is most easily spared, false if there is none left.
func (t *table) drop() bool {
	at := 0
	for i, c := range t.columns {
		if c.spare > t.columns[at].spare {
			at = i
		}
	}
	if t.columns[at].spare == 0 {
		return false
	}
	t.columns = append(t.columns[:at:at], t.columns[at+1:]...)
	for i, row := range t.rows {
		t.rows[i] = append(row[:at:at], row[at+1:]...)
	}
	return true
}
