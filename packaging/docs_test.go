package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// commandsUnder are the commands of a page, in the first block beneath a heading.
func commandsUnder(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n"+heading+"\n")
	_, rest, begun := strings.Cut(rest, "\n```sh\n")
	commands, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !begun || !ended {
		t.Fatalf("there are no commands beneath %q", heading)
	}
	return commands
}

// docs/run.md, word for word: from the package, and from an archive. Somebody who types its
// commands has a server that answers.
func TestTheCommandsOfRunItWorkAsTheyStandThere(t *testing.T) {
	var files []string
	if os.Getenv(insideVariable) == "" {
		need(t, "dpkg-deb")
		archive := filepath.Join(t.TempDir(), "oneseat_0.2.0_linux_"+runtime.GOARCH+".tar.gz")
		tree := t.TempDir()
		run(t, "scripts/install", "0.2.0", "/usr/local", tree)
		run(t, "tar", "-c", "-z", "-f", archive, "-C", filepath.Join(tree, "usr"), "local")
		files = []string{deb(t, "0.2.0"), archive, "../docs/run.md"}
	}
	if !onAMachineOfItsOwn(t, files...) {
		return
	}
	page := strings.NewReplacer("sudo ", "", "amd64", runtime.GOARCH).Replace(read(t, "run.md"))
	shell := func(commands string) string {
		t.Helper()
		return output(t, exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands))
	}
	key := regexp.MustCompile(`oneseat_key_\S+`)
	works := func(how, said string) {
		t.Helper()
		s := &server{url: "http://127.0.0.1:7300"}
		if status, answer := s.ask(t, "POST", "/v1/about", key.FindString(said), "{}"); status != 200 || !strings.Contains(answer, "oneseat 0.2.0,") {
			t.Errorf("%s: %d %s\n%s", how, status, answer, said)
		}
	}

	works("the package", shell(commandsUnder(t, page, "### Debian and Ubuntu")))
	shell("dpkg --purge oneseat && userdel oneseat && rm -r /var/lib/oneseat")

	works("the archive", shell(commandsUnder(t, page, "### Another Linux with systemd")))
	shell("systemctl stop oneseat")

	commands := commandsUnder(t, page, "### Without systemd")
	folder := t.TempDir()
	create, start, _ := strings.Cut(commands, "\n")
	said := shell("cd " + folder + "\n" + create)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec "+start)
	cmd.Dir = folder
	s := serve(t, cmd)
	works("without systemd", said)
	s.stop(t, cmd.Process.Pid)
}

// The server in a container is started with the flags of the page.
func TestTheContainerOfRunItTakesItsFlags(t *testing.T) {
	commands := commandsUnder(t, read(t, "../docs/run.md"), "## A container")
	folder := t.TempDir()
	inFolder := strings.NewReplacer("/keys/", folder+"/", "0.0.0.0:7300", "127.0.0.1:0")
	found := regexp.MustCompile(`(?m)localhost/oneseat:0\.2\.0 (.*)$`).FindAllStringSubmatch(commands, -1)
	if len(found) != 2 {
		t.Fatalf("%q", found)
	}
	output(t, exec.CommandContext(t.Context(), built(t), strings.Fields(inFolder.Replace(found[0][1]))...))
	cmd := exec.CommandContext(t.Context(), built(t), strings.Fields(inFolder.Replace(found[1][1]))...)
	cmd.Dir = t.TempDir()
	if s := serve(t, cmd); s.get(t, "/readyz") != 200 {
		t.Errorf("%s", s.url)
	}
}
