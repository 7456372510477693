package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/spiffe/spire-plugin-sdk/pluginmain"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// hostile plugins break the rules, each in the way that its name says.
func hostile(name string) {
	switch name {
	case "silent":
		time.Sleep(time.Hour)
	case "quits":
		fmt.Fprintln(os.Stderr, "cannot go on")
		os.Exit(3)
	case "endless-line":
		flood(os.Stdout, nil)
	case "wrong-version":
		fmt.Println("1|9|unix|/nowhere|grpc")
		time.Sleep(time.Hour)
	case "netrpc":
		fmt.Println("1|1|unix|/nowhere|netrpc")
		time.Sleep(time.Hour)
	case "elsewhere":
		fmt.Println("1|1|tcp|192.0.2.1:80|grpc")
		time.Sleep(time.Hour)
	case "unreachable":
		fmt.Println("1|1|unix|/nowhere/plugin.sock|grpc")
		time.Sleep(time.Hour)
	case "floods-stdout", "floods-stderr", "hangs-in-configure", "huge-answer", "dies-in-call", "hangs-in-deinit", "spy", "liar":
		plugin := &hostileAttestor{how: name}
		pluginmain.Serve(nodeattestorv1.NodeAttestorPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "not-configurable":
		// Not hostile: this is how plugins without settings are.
		pluginmain.Serve(nodeattestorv1.NodeAttestorPluginServer(new(nodeattestorv1.UnimplementedNodeAttestorServer)))
	default:
		fmt.Fprintf(os.Stderr, "no such plugin: %q\n", name)
		os.Exit(2)
	}
}

func flood(to *os.File, end []byte) {
	chunk := append(bytes.Repeat([]byte("x"), 4096), end...)
	for {
		if _, err := to.Write(chunk); err != nil {
			time.Sleep(time.Second)
		}
	}
}

type hostileAttestor struct {
	nodeattestorv1.UnimplementedNodeAttestorServer
	configv1.UnimplementedConfigServer

	how string
}

func (p *hostileAttestor) Close() error {
	if p.how == "hangs-in-deinit" {
		time.Sleep(time.Hour)
	}
	return nil
}

func (p *hostileAttestor) Configure(ctx context.Context, _ *configv1.ConfigureRequest) (*configv1.ConfigureResponse, error) {
	if p.how == "hangs-in-configure" {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	// Both what the framework forwards and the streams themselves.
	if p.how == "floods-stdout" {
		go flood(os.Stdout, []byte("\n"))
		go flood(os.NewFile(1, "stdout"), []byte("\n"))
	}
	if p.how == "floods-stderr" {
		go flood(os.Stderr, []byte("\n"))
		go flood(os.NewFile(2, "stderr"), []byte("\n"))
	}
	return &configv1.ConfigureResponse{}, nil
}

func (p *hostileAttestor) Attest(stream nodeattestorv1.NodeAttestor_AttestServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	attributes := &nodeattestorv1.AgentAttributes{SpiffeId: "spiffe://example.org/spire/agent/hostile/one"}
	switch p.how {
	case "huge-answer":
		attributes.SelectorValues = []string{strings.Repeat("x", 64<<20)}
	case "dies-in-call":
		os.Exit(7)
	case "liar":
		return stream.Send(&nodeattestorv1.AttestResponse{})
	case "spy":
		attributes.SelectorValues = spy()
	}
	if err := stream.Send(&nodeattestorv1.AttestResponse{
		Response: &nodeattestorv1.AttestResponse_AgentAttributes{AgentAttributes: attributes},
	}); err != nil {
		return status.Error(codes.Aborted, err.Error())
	}
	return nil
}

// spy says what the plugin has inherited.
func spy() []string {
	var found []string
	for _, variable := range os.Environ() {
		found = append(found, "environment:"+variable)
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		found = append(found, "descriptor:"+entry.Name()+":"+target)
	}
	sort.Strings(found)
	return found
}
