// franz-go (the newest versions of the APIs first): `franz-go BOOTSTRAP` checks a broker, `franz-go BOOTSTRAP SETTINGS` is
// a member of a group. A check's line is `ok NAME` or `FAIL NAME reason`; checks run beside each other, in chains.
package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

type check struct {
	name string
	run  func() error
}

// play runs the checks of each chain in their order, the chains beside each other, and returns whether all passed.
func play(chains [][]check) bool {
	var failed atomic.Bool
	var chainsDone sync.WaitGroup
	var line sync.Mutex
	for _, chain := range chains {
		chainsDone.Add(1)
		go func() {
			defer chainsDone.Done()
			for _, check := range chain {
				err := check.run()
				line.Lock()
				if err == nil {
					fmt.Println("ok", check.name)
				} else {
					failed.Store(true)
					fmt.Printf("FAIL %s %s\n", check.name, strings.Join(strings.Fields(err.Error()), " "))
				}
				line.Unlock()
			}
		}()
	}
	chainsDone.Wait()
	return !failed.Load()
}

func main() {
	switch len(os.Args) {
	case 2:
		checks, err := newChecks(os.Args[1])
		if err != nil {
			fmt.Println("FAIL connects", err)
			os.Exit(1)
		}
		if !play(checks.chains()) {
			os.Exit(1)
		}
	case 3:
		if err := member(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: franz-go BOOTSTRAP [SETTINGS]")
		os.Exit(2)
	}
}
