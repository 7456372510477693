// Command interop drives mini-spire with the libraries Go programs use: go-spiffe and the SPIRE API SDK.
// Each subcommand reads JSON lines or flags and prints JSON; the tests beside it compare.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: interop wire|ids|workload|mtls|server|agent|broker|manager …"))
	}
	var err error
	switch os.Args[1] {
	case "wire":
		err = wire(os.Stdin, os.Stdout)
	case "ids":
		err = ids(os.Stdin, os.Stdout)
	case "workload":
		err = workload(os.Args[2:])
	case "manager":
		err = manager(os.Args[2:])
	case "mtls":
		err = mtls(os.Args[2:])
	case "server":
		err = server(os.Args[2:])
	case "agent":
		err = agent(os.Args[2:])
	case "broker":
		err = brokerMain(os.Args[2:])
	default:
		err = fmt.Errorf("unknown subcommand %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
