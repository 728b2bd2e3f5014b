package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
)

const completionLong = `oneseat completion prints a script by which a shell completes the commands and flags of oneseat, and many of their values.

  bash        source <(oneseat completion bash)
  zsh         source <(oneseat completion zsh)
  fish        oneseat completion fish | source
  powershell  oneseat completion powershell | Out-String | Invoke-Expression

Such a line counts in the shell where you type it. Write it into the file that your shell reads when it starts (for bash ~/.bashrc), and it counts in each new shell. Bash needs the package bash-completion.`

var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "print a script that completes commands in bash, zsh, fish or PowerShell",
		Long:      completionLong,
		Example:   "oneseat completion bash",
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return &usageError{errors.New("name one shell: bash, zsh, fish or powershell")}
			}
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}

// completes says which values of a flag a shell completes.
func completes(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the command has no such flag
	}
}

// policies are what a shell completes, and stores.
var (
	policies = []string{"displace", "refuse", "ask"}
	stores   = []string{"sqlite:", "postgres://", "redis://", "redis-cluster://", "memory:"}
)
