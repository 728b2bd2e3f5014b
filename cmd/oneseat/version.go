package main

import (
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

// version returns what the Go tool has recorded of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "oneseat, built without module support"
	}
	return fmt.Sprintf("oneseat %s, %s", info.Main.Version, info.GoVersion)
}
