package main

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "say which release this is",
		Long:    "oneseat version says which release this is, and by which release of Go it was built.",
		Example: "oneseat version",
		RunE:    printVersion,
	}
}

func printVersion(cmd *cobra.Command, args []string) error {
	if err := noArguments(cmd, args); err != nil {
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
	return err
}

// release is the version that scripts/build has linked in. Other builds have this.
var release = ""

// version says which release this is: the one that was linked in, or what the Go tool has
// recorded of the build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "oneseat, built without module support"
	}
	return fmt.Sprintf("oneseat %s, %s", cmp.Or(release, info.Main.Version), info.GoVersion)
}
