// Judges Prometheus rule files, and the expressions given on standard input one a line, with Prometheus' own parsers.
package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	expressions := parser.NewParser(parser.Options{})
	failed := false
	for _, file := range os.Args[1:] {
		_, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, expressions, slog.New(slog.DiscardHandler))
		for _, err := range errs {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	count := 0
	for lines.Scan() {
		count++
		if _, err := expressions.ParseExpr(lines.Text()); err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", lines.Text(), err)
		}
	}
	if failed {
		os.Exit(1)
	}
	fmt.Printf("%d files, %d expressions\n", len(os.Args)-1, count)
}
