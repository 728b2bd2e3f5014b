// Package doctor looks at a running system, and says what is wrong with it, what that
// means, and how to cure it.
//
// It owns the checks. Probes collect facts at the edge, one file for each kind of thing
// that is looked at. Judgement is pure: facts in, results out. The package changes
// nothing in what it looks at. A finding has no secret: no key, and no password of a URL.
// It reads no flag and no environment.
package doctor

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// patience is how long one question waits for its answer. What takes longer hangs.
const patience = 4 * time.Second

// Subject is what is to be examined. What is empty is not examined.
type Subject struct {
	Servers []string       // URLs such as https://oneseat.internal:7300, or unix:PATH
	Key     string         // of the API
	Trusted *x509.CertPool // by which servers are known; nil: the system's authorities
	Realm   string         // that the key should be of
	Store   string         // as that of the flag --store of "oneseat serve"
	Files   []File         // with keys
	App     string         // the URL of a page as visitors reach it, through its proxy
	Direct  string         // the URL of that page at the application itself, past its proxy
	Header  string         // in which the proxy tells the application the account

	addresses func() []netip.Addr // of this machine, beyond loopback; nil: as the system says
}

// File is a file with keys.
type File struct {
	Path string
	Keys []Key // whose hashes stand in it
}

// Key is a key of the API as a file has it.
type Key struct {
	ID, Realm string
	Hash      [sha256.Size]byte
}

// Examine makes every check for which the subject names something. It takes some seconds
// at most, also where nothing answers.
func Examine(ctx context.Context, s Subject) Report {
	var jobs []func() []Result
	job := func(f func() []Result) { jobs = append(jobs, f) }
	if s.addresses == nil {
		s.addresses = ownAddresses
	}
	job(func() []Result { return s.servers(ctx) })
	if s.Store != "" {
		job(func() []Result { return probeStore(ctx, s.Store) })
	}
	for _, f := range s.Files {
		job(func() []Result { return []Result{judgeFile(probeFile(f.Path))} })
	}
	if s.App != "" || s.Direct != "" {
		job(func() []Result { return s.app(ctx) })
	}
	found := make([][]Result, len(jobs))
	var all sync.WaitGroup
	for i, f := range jobs {
		all.Go(func() { found[i] = f() })
	}
	all.Wait()
	return report(slices.Concat(found...))
}

// servers examines each server, and then how they differ.
func (s Subject) servers(ctx context.Context) []Result {
	facts := make([]serverFacts, len(s.Servers))
	var all sync.WaitGroup
	for i, url := range s.Servers {
		all.Go(func() { facts[i] = s.probeServer(ctx, url) })
	}
	all.Wait()
	var results []Result
	for _, f := range facts {
		f.realm, f.keyFile = s.Realm, keyIn(s.Files, s.Key)
		results = append(results, judgeServer(f)...)
	}
	return append(results, judgeServers(facts)...)
}

// keyIn finds the file that has the hash of a key; nil: none has.
func keyIn(files []File, secret string) *keyFact {
	sum := sha256.Sum256([]byte(secret))
	for _, f := range files {
		for _, k := range f.Keys {
			if secret != "" && k.Hash == sum {
				return &keyFact{file: f.Path, id: k.ID, realm: k.Realm}
			}
		}
	}
	return nil
}

// ownAddresses are those of this machine by which others may reach it.
func ownAddresses() (list []netip.Addr) {
	all, _ := net.InterfaceAddrs() // none are known: nothing is tried
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.Unmap().IsLoopback() && !ip.IsLinkLocalUnicast() {
			list = append(list, ip.Unmap())
		}
	}
	return list
}
