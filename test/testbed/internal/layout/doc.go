// Package layout knows where the testbed keeps its files and where its sources are.
package layout
