package command

import (
	"github.com/spf13/cobra"

	"github.com/cozystack/etcd-operator/test/testbed/internal/image"
)

func newImage() *cobra.Command {
	var (
		i   image.Image
		out string
	)
	cmd := &cobra.Command{
		Use:   "image --tag localhost/NAME:TAG --out FILE HOSTFILE=/PATH/IN/IMAGE...",
		Short: "Make an image archive from files, from scratch",
		Long: "image writes an image with one layer that holds the given files, as an archive that is both an OCI layout\n" +
			"and a docker archive. The same files give the same bytes.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				f, err := image.ParseFile(a)
				if err != nil {
					return err
				}
				i.Files = append(i.Files, f)
			}
			return i.Write(out)
		},
	}
	cmd.Flags().StringVar(&i.Tag, "tag", "", "name of the image")
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	cmd.Flags().StringArrayVar(&i.Entrypoint, "entrypoint", nil, "program to run; once more for each argument")
	cmd.Flags().StringVar(&i.User, "user", "", "user to run as, such as 65532:65532")
	cmd.Flags().StringArrayVar(&i.Env, "env", nil, "environment variable NAME=VALUE; may be repeated")
	for _, f := range []string{"tag", "out"} {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err)
		}
	}
	return cmd
}

func newLoadImage(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "load-image FILE...", Short: "Import image archives into all nodes, also those started later",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			c, err := o.cluster()
			if err != nil {
				return err
			}
			return c.LoadImages(cmd.Context(), files)
		},
	}
}
