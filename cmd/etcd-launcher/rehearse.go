package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/cozystack/etcd-operator/internal/launcher"
)

// rehearse lets etcd start once, alone, and says whether it served.
func rehearse(ctx context.Context, args []string) error {
	r := launcher.Rehearsal{}
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	flags.StringVar(&r.URL, "url", "", "where etcd will serve clients")
	flags.StringVar(&r.Version, "version", "", "version that etcd has to be of")
	flags.DurationVar(&r.Limit, "limit", time.Minute, "how long it may take until it serves")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("parse the arguments: %w", err)
	}
	if r.Command = flags.Args(); len(r.Command) == 0 || r.URL == "" || r.Version == "" {
		return errors.New("rehearse needs --url, --version and a command after --")
	}
	return r.Run(ctx)
}
