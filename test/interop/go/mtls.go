package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type mtlsLine struct {
	Address string `json:"address,omitempty"`
	ID      string `json:"id,omitempty"`
	Text    string `json:"text,omitempty"`
}

// mtls holds one mutually authenticated conversation with a peer of one exact ID: it dials, or listens and serves one connection.
func mtls(args []string) error {
	flags := flag.NewFlagSet("mtls", flag.ContinueOnError)
	addr := flags.String("addr", "", "Workload API address")
	peer := flags.String("peer", "", "SPIFFE ID of the peer")
	dial := flags.String("dial", "", "address to dial; without one it listens")
	timeout := flags.Duration("timeout", 30*time.Second, "time limit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	id, err := spiffeid.FromString(*peer)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(*addr)))
	if err != nil {
		return err
	}
	defer source.Close()
	out := json.NewEncoder(os.Stdout)
	authorize := tlsconfig.AuthorizeID(id)
	if *dial != "" {
		mode := spiffetls.MTLSClientWithRawConfig(authorize, source, source)
		conn, err := spiffetls.DialWithMode(ctx, "tcp", *dial, mode)
		if err != nil {
			return err
		}
		return talk(conn, out)
	}
	mode := spiffetls.MTLSServerWithRawConfig(authorize, source, source)
	listener, err := spiffetls.ListenWithMode(ctx, "tcp", "127.0.0.1:0", mode)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := out.Encode(mtlsLine{Address: listener.Addr().String()}); err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	return talk(conn, out)
}

// talk says hello, and prints who the peer is and what it says until it closes.
func talk(conn net.Conn, out *json.Encoder) error {
	defer conn.Close()
	if _, err := conn.Write([]byte("hello from go\n")); err != nil {
		return err
	}
	id, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	return out.Encode(mtlsLine{ID: id.String(), Text: string(text)})
}
