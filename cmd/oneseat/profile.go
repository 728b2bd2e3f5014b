package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

// profile says what a command connects to: a part [profile.NAME] of the file of
// profiles.
type profile struct {
	URL     string `toml:"url"`
	KeyFile string `toml:"key_file"`
	CA      string `toml:"ca"`
	Store   string `toml:"store"`
	Realm   string `toml:"realm"`
}

// profileFile is the file of profiles.
type profileFile struct {
	Profile map[string]profile `toml:"profile"`
}

// profileNames completes the names of profiles.
func profileNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var in profileFile
	if file, err := profilesFile(); err == nil {
		_, _ = toml.DecodeFile(file, &in) // what is wrong is said when the file is used
	}
	return slices.Sorted(maps.Keys(in.Profile)), cobra.ShellCompDirectiveNoFileComp
}

// usualProfile is the profile that counts if none is named.
const usualProfile = "default"

// profilesFile is the file of profiles.
func profilesFile() (string, error) {
	folder, err := os.UserConfigDir()
	return filepath.Join(folder, "oneseat", "profiles.toml"), err
}

// readProfile returns a profile. Without a name it is the usual one, or the zero profile
// if there is none.
func readProfile(name string) (profile, error) {
	file, err := profilesFile()
	if err != nil && name != "" {
		return profile{}, fmt.Errorf("--profile: the folder of the file of profiles is not known: %w", err)
	}
	var in profileFile
	meta, err := toml.DecodeFile(file, &in)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "":
		return profile{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return profile{}, fmt.Errorf("--profile: there is no file %s", file)
	case err != nil:
		return profile{}, fmt.Errorf("%s: %w", file, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return profile{}, fmt.Errorf("%s: %q is not known: a [profile.NAME] has url, key_file, ca, store and realm", file, unknown[0].String())
	}
	p, is := in.Profile[name]
	if name == "" {
		return in.Profile[usualProfile], nil
	}
	if !is {
		return profile{}, fmt.Errorf("--profile: %s has no profile %q%s", file, name, didYouMean(name, slices.Collect(maps.Keys(in.Profile)), ""))
	}
	return p, nil
}
